import { useMutation, useQueryClient } from '@tanstack/react-query';
import { type Calibration, setThreshold } from '../api-system.ts';
import { tell, tellError } from '../notices.tsx';
import { t } from '../texts.ts';

interface Props {
  readonly set: Calibration['threshold'];
  readonly threshold: number;
  readonly onSet: () => void;
}

/** Setting the threshold that was chosen, or giving it back to the configuration. */
export function SetThreshold({ set, threshold, onSet }: Props) {
  const client = useQueryClient();
  const setting = useMutation({
    mutationFn: setThreshold,
    onSuccess: (_answer, value) => {
      tell(value === null ? t('threshold.reset') : t('threshold.isSet', { threshold: value }));
      onSet();
    },
    onError: tellError,
    onSettled: () => client.invalidateQueries({ queryKey: ['calibration'] }),
  });
  const isSame = set.value !== null && Math.abs(set.value - threshold) < 1e-6;
  return (
    <>
      <p className="threshold-current">
        {set.value === null
          ? t('threshold.currentUnknown')
          : t(set.setBy === 'user' ? 'threshold.currentUser' : 'threshold.currentConfigured', { threshold: set.value })}
      </p>
      <div className="drop-actions">
        <button
          type="button"
          className="button"
          data-kind="primary"
          disabled={isSame || setting.isPending}
          onClick={() => setting.mutate(threshold)}
        >
          {t('threshold.set', { threshold: threshold.toFixed(3) })}
        </button>
        {set.setBy === 'user' && (
          <button type="button" className="button" disabled={setting.isPending} onClick={() => setting.mutate(null)}>
            {t('threshold.giveBack')}
          </button>
        )}
      </div>
    </>
  );
}
