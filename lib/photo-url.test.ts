import { describe, expect, test } from 'vitest';
import { readEnv } from './env.ts';
import { checkPhotoUrl, hostPatterns, intranetHosts, normalizePhotoUrl } from './photo-url.ts';

const keys = { ALLOW_URLS: hostPatterns(), ALLOW_PRIVATE_URLS: intranetHosts() };

function rulesOf(allow: string, intranet = '') {
  const config = readEnv({ ALLOW_URLS: allow, ALLOW_PRIVATE_URLS: intranet }, keys);
  return { allowed: config.ALLOW_URLS, intranet: config.ALLOW_PRIVATE_URLS };
}

const codeOf = (url: string, allow: string, intranet?: string): string => {
  try {
    const checked = checkPhotoUrl(new URL(url), rulesOf(allow, intranet));
    return checked.intranet ? 'intranet' : 'web';
  } catch (error) {
    return (error as { code: string }).code;
  }
};

describe('normalizePhotoUrl', () => {
  test.each([
    ['HTTPS://Example.ORG:443/a/../b.jpg#top', 'https://example.org/b.jpg'],
    ['http://example.org.:8080/a.jpg?size=1', 'http://example.org:8080/a.jpg?size=1'],
    ['https://example.org/Zo%C3%AB%20am%20See.jpg', 'https://example.org/Zoë am See.jpg'],
    ['https://example.org/Zoë am See.jpg', 'https://example.org/Zoë am See.jpg'],
    ['https://bücher.example/a.jpg', 'https://xn--bcher-kva.example/a.jpg'],
    ['https://example.org/a%2Fb%3F%25.jpg', 'https://example.org/a%2Fb%3F%25.jpg'],
    ['https://example.org/a%20%20', 'https://example.org/a%20%20'],
    ['https://example.org/%E4%F6.jpg', 'https://example.org/%E4%F6.jpg'],
    ['https://example.org/a%E2%80%AEgpj.exe', 'https://example.org/a%E2%80%AEgpj.exe'],
  ])('%s is stored as %s', (posted, stored) => {
    expect(normalizePhotoUrl(posted)).toBe(stored);
    expect(normalizePhotoUrl(stored)).toBe(stored);
    const { hostname, pathname, search } = new URL(posted);
    expect(new URL(stored)).toMatchObject({ hostname: hostname.replace(/\.$/, ''), pathname, search });
  });
});

describe('checkPhotoUrl', () => {
  test('names hosts, those below one, and all', () => {
    expect(codeOf('https://example.org/a.jpg', '')).toBe('url_not_allowed');
    expect(codeOf('https://example.org/a.jpg', 'example.org')).toBe('web');
    expect(codeOf('https://example.org/a.jpg', ' Example.org , other.org')).toBe('web');
    expect(codeOf('https://a.example.org/a.jpg', 'example.org')).toBe('url_not_allowed');
    expect(codeOf('https://a.b.example.org/a.jpg', '*.example.org')).toBe('web');
    expect(codeOf('https://example.org/a.jpg', '*.example.org')).toBe('url_not_allowed');
    expect(codeOf('https://badexample.org/a.jpg', '*.example.org')).toBe('url_not_allowed');
    expect(codeOf('https://example.org.evil.com/a.jpg', 'example.org')).toBe('url_not_allowed');
    expect(codeOf('https://anything.net/a.jpg', '*')).toBe('web');
    expect(codeOf('https://xn--bcher-kva.example/', 'bücher.example')).toBe('web');
  });

  test('ports are the usual ones unless another is named', () => {
    expect(codeOf('http://example.org:443/', '*')).toBe('web');
    expect(codeOf('http://example.org:8080/', '*')).toBe('url_not_allowed');
    expect(codeOf('http://example.org:8080/', 'example.org:8080')).toBe('web');
    expect(codeOf('http://example.org:80/', 'example.org:8080')).toBe('url_not_allowed');
    expect(codeOf('http://any.org:8080/', '*:8080')).toBe('web');
    expect(codeOf('http://a.example.org:8080/', '*.example.org:8080')).toBe('web');
  });

  test.each([
    ...['http://127.0.0.1/', 'http://127.1/', 'http://2130706433/', 'http://0x7f000001/', 'http://0177.0.0.1/'],
    ...['http://localhost.localdomain@127.0.0.1/', 'http://10.0.0.1/', 'http://172.16.0.1/', 'http://192.168.1.1/'],
    ...['http://169.254.169.254/latest/meta-data/', 'http://168.63.129.16/', 'http://100.100.100.200/'],
    ...['http://192.0.0.192/', 'http://100.64.0.1/', 'http://224.0.0.1/', 'http://255.255.255.255/', 'http://0.0.0.0/'],
    ...['http://0/', 'http://198.18.0.1/', 'http://240.0.0.1/', 'http://[::1]/', 'http://[::]/', 'http://[fe80::1]/'],
    ...['http://[fd00:ec2::254]/', 'http://[::ffff:127.0.0.1]/', 'http://[::ffff:a9fe:a9fe]/', 'http://[::127.0.0.1]/'],
    ...['http://[64:ff9b::7f00:1]/', 'http://[2002:7f00:1::]/', 'http://[2001::1]/', 'http://[fec0::1]/'],
    ...['http://[ff02::1]/', 'http://[2001:db8::1]/', 'http://①②⑦.⓪.⓪.①/', 'http://127。0。0。1/'],
  ])('%s is no public address', (url) => {
    expect(codeOf(url, '*')).toBe('url_address_forbidden');
  });

  test('public addresses may stand for hosts', () => {
    expect(codeOf('http://93.184.216.34/', '*')).toBe('web');
    expect(codeOf('http://[2606:4700::1111]/', '*')).toBe('web');
  });

  test('a private server is named with its port', () => {
    expect(codeOf('http://photos.intranet:8080/', '', 'photos.intranet:8080')).toBe('intranet');
    expect(codeOf('http://127.0.0.1:9000/', '', 'a.org:1,127.0.0.1:9000')).toBe('intranet');
    expect(codeOf('http://[::1]:9000/', '', '[::1]:9000')).toBe('intranet');
    expect(codeOf('http://127.0.0.1:9001/', '*', '127.0.0.1:9000')).toBe('url_not_allowed');
    expect(codeOf('https://photos.intranet/', '', 'photos.intranet:443')).toBe('intranet');
  });
});

test.each([
  [{ ALLOW_URLS: 'https://example.org' }, /ALLOW_URLS: expected hosts/],
  [{ ALLOW_URLS: 'example.org/photos' }, /ALLOW_URLS/],
  [{ ALLOW_URLS: 'a.*.org' }, /ALLOW_URLS/],
  [{ ALLOW_URLS: '*example.org' }, /ALLOW_URLS/],
  [{ ALLOW_PRIVATE_URLS: 'photos.intranet' }, /ALLOW_PRIVATE_URLS: expected hosts with their ports/],
  [{ ALLOW_PRIVATE_URLS: '*:8080' }, /ALLOW_PRIVATE_URLS/],
])('%j is refused', (environment, message) => {
  expect(() => readEnv(environment, keys)).toThrow(message);
});
