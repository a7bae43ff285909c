import type { ImageStatus } from './api.ts';
import { CommandLine } from './command-line.tsx';
import { FaceMark } from './face-mark.tsx';
import { statusNames } from './format.ts';

export function EmptyPage() {
  return (
    <section className="empty">
      <FaceMark />
      <h2>No photos yet</h2>
      <p>
        Post the path of a photo inside your image folder. It appears here by itself, with a name on each known face.
      </p>
      <CommandLine command={`curl -d '{"path":"photo.jpg"}' ${location.origin}/image/post`} />
    </section>
  );
}

export function EmptyFilter({ status, showAll }: { status: ImageStatus; showAll: () => void }) {
  return (
    <section className="empty">
      <h2>Nothing here</h2>
      <p>No photo has the status “{statusNames[status]}” at the moment.</p>
      <button type="button" className="button" onClick={showAll}>
        Show all photos
      </button>
    </section>
  );
}
