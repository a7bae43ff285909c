/** The product's mark; the same drawing as public/favicon.svg. */
export function FaceMark() {
  return (
    <svg className="face-mark" viewBox="0 0 32 32" aria-hidden="true">
      <path d="M4 11V7a3 3 0 0 1 3-3h4M21 4h4a3 3 0 0 1 3 3v4M28 21v4a3 3 0 0 1-3 3h-4M11 28H7a3 3 0 0 1-3-3v-4" />
      <path d="M11 12v2M21 12v2M11 20c2.8 2.8 7.2 2.8 10 0" />
    </svg>
  );
}
