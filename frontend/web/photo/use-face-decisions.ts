import { useMutation, useQueryClient } from '@tanstack/react-query';
import { useState } from 'react';
import type { ExplainedFace, ExplainedImage, Person } from '../api.ts';
import { type Choice, enrolFace, fetchPeople, fetchPerson, nameFace, rejectFace } from '../api-people.ts';
import { describeReason } from '../describe-error.ts';
import { markDirty } from '../image-list.ts';
import { updateLists } from '../live.ts';
import { tell, tellError } from '../notices.tsx';
import { t } from '../texts.ts';

/** What to watch after something was said about a face. */
export interface Following {
  readonly person: Person;
  /** In how many photos they were, this one counted as it is now. */
  readonly before: number;
  /** Milliseconds since 1970. */
  readonly since: number;
}

/** What a person says about a face, and what to watch for afterwards in other photos. */
export function useFaceDecisions(imageId: number, face: ExplainedFace) {
  const client = useQueryClient();
  const [follow, setFollow] = useState<Following | null>(null);

  const replaceFace = (changed: ExplainedFace) => {
    client.setQueryData<ExplainedImage>(['image', imageId], (image) => {
      if (!image) return image;
      return { ...image, faces: image.faces.map((held) => (held.id === changed.id ? { ...held, ...changed } : held)) };
    });
    updateLists(client, (list) => markDirty(list, [imageId]));
    for (const key of ['images', 'image', 'people', 'person', 'clusters']) {
      void client.invalidateQueries({ queryKey: [key] });
    }
  };
  /** This photo is counted with a person if another of its faces is theirs. */
  const isElsewhere = (personId: number) =>
    client
      .getQueryData<ExplainedImage>(['image', imageId])
      ?.faces.some((other) => other.id !== face.id && other.person?.id === personId) ?? false;

  const naming = useMutation({
    mutationFn: async ({ choice, name }: { choice: Choice; name: string }) => {
      const before = await countPhotos(choice);
      const wasHere = 'personId' in choice && (face.person?.id === choice.personId || isElsewhere(choice.personId));
      return { named: await nameFace(face.id, choice, true), before: before + (wasHere ? 0 : 1), name };
    },
    onSuccess: ({ named, before, name }) => {
      replaceFace(named);
      if (named.person) setFollow({ person: named.person, before, since: Date.now() });
      tell(
        named.enrolled || named.reason === null
          ? t('face.named', { name })
          : t('face.namedNotEnrolled', { name, reason: describeReason(named.reason) }),
      );
    },
    onError: tellError,
  });
  const rejecting = useMutation({
    mutationFn: async (person: Person) => {
      const before = await countPhotos({ personId: person.id });
      return { person, before, face: await rejectFace(face.id, person.id) };
    },
    onSuccess: ({ person, before, face: changed }) => {
      replaceFace(changed);
      setFollow({ person, before: before - (isElsewhere(person.id) ? 0 : 1), since: Date.now() });
      tell(t('face.rejected', { name: person.name }));
    },
    onError: tellError,
  });
  const enrolling = useMutation({
    mutationFn: async (person: Person) => {
      const before = await countPhotos({ personId: person.id });
      await enrolFace(person.id, face.id);
      return { person, before };
    },
    onSuccess: ({ person, before }) => {
      setFollow({ person, before, since: Date.now() });
      tell(t('face.enrolled', { name: person.name }));
      void client.invalidateQueries({ queryKey: ['person'] });
    },
    onError: tellError,
  });
  return {
    follow,
    isBusy: naming.isPending || rejecting.isPending || enrolling.isPending,
    name: (choice: Choice, name: string) => naming.mutate({ choice, name }),
    reject: (person: Person) => rejecting.mutate(person),
    enrol: (person: Person) => enrolling.mutate(person),
  };
}

/** In how many photos somebody is; 0 for a new name. */
async function countPhotos(choice: Choice): Promise<number> {
  if ('personId' in choice) return (await fetchPerson(choice.personId)).images;
  const { people } = await fetchPeople({ q: choice.name, limit: 200 });
  return people.find(({ name }) => name === choice.name)?.images ?? 0;
}
