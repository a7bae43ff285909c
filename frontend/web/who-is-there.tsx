import { Link } from '@tanstack/react-router';
import { Fragment } from 'react';
import type { Image, Person } from './api.ts';
import { describeReason } from './describe-error.ts';
import { describeQuality, summariseFaces } from './format.ts';
import { t } from './texts.ts';

/** Who is in the photo, or why nobody can be named. */
export function WhoIsThere({ image }: { image: Image }) {
  const { people, unknownFaces } = summariseFaces(image);
  const poor = describeQuality(image.faces.filter((face) => face.person === null));
  const hint = poor !== null && <small title={t('quality.hint')}>{poor}</small>;
  if (people.length > 0) {
    return (
      <>
        <strong>
          <PersonLinks names={people} image={image} />
        </strong>
        {unknownFaces > 0 && <small>{t('who.andUnknown', { count: unknownFaces })}</small>}
        {hint}
      </>
    );
  }
  const detail = image.reason ? describeReason(image.reason) : null;
  const faces = unknownFaces > 1 ? t('who.faces', { count: unknownFaces }) : null;
  return (
    <>
      <span className="nobody">{t(`status.${image.status}`)}</span>
      {(detail ?? faces) !== null && <small title={image.reason?.code}>{detail ?? faces}</small>}
      {hint}
    </>
  );
}

function PersonLinks({ names, image }: { names: readonly string[]; image: Image }) {
  const everybody: readonly (Person | null)[] = [image.person, ...image.faces.map(({ person }) => person)];
  return names.map((name, place) => {
    const person = everybody.find((known) => known?.name === name);
    return (
      <Fragment key={name}>
        {place > 0 && t('list.separator')}
        {person ? (
          <Link to="/people/$id" params={{ id: String(person.id) }}>
            {name}
          </Link>
        ) : (
          name
        )}
      </Fragment>
    );
  });
}
