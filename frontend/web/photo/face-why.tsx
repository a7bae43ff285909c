import type { ReactNode } from 'react';
import type { ExplainedFace, Quality } from '../api.ts';
import { formatCount, formatDistance, formatSimilarity } from '../format.ts';
import { t } from '../texts.ts';

/** Why a face has the name that it has, or none: what was compared, and how it came out. */
export function FaceWhy({ face }: { face: ExplainedFace }) {
  const { distance, threshold, confidence, quality } = face;
  const distanceText =
    distance === null || threshold === null
      ? distance === null
        ? null
        : formatDistance(distance)
      : t('face.distanceText', { distance: formatDistance(distance), threshold: formatDistance(threshold) });
  const facts: readonly (readonly [string, ReactNode])[] = [
    [t('face.decidedBy'), face.decidedBy === 'user' ? t('face.user') : t('face.gallery')],
    [t('face.distance'), distanceText],
    [t('face.nearest'), face.referenceImage],
    [t('face.confidence'), confidence === null ? null : formatSimilarity(confidence)],
    [t('face.model'), face.model],
    [t('face.revision'), face.galleryRevision === null ? null : formatCount(face.galleryRevision)],
    ...(quality ? describeMeasures(quality) : []),
  ];
  return (
    <details className="why">
      <summary>{t('face.why')}</summary>
      <dl>
        {facts
          .filter(([, value]) => value !== null)
          .map(([name, value]) => (
            <div key={name}>
              <dt>{name}</dt>
              <dd>{value}</dd>
            </div>
          ))}
      </dl>
    </details>
  );
}

function describeMeasures({ pixels, sharpness, brightness, yaw, pitch, roll }: Quality) {
  const degrees = { yaw: Math.round(yaw), pitch: Math.round(pitch), roll: Math.round(roll) };
  return [
    [t('quality.pixels'), `${Math.round(pixels)} px`],
    [t('quality.sharpness'), sharpness.toFixed(2)],
    [t('quality.brightness'), brightness.toFixed(2)],
    [t('quality.pose'), t('quality.poseValue', degrees)],
  ] as const;
}
