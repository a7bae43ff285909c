// What the API answers, as far as the commands look at it (docs/api.md).

export interface Person {
  readonly id: number;
  readonly name: string;
}

export interface SeenFace {
  readonly id: number;
  readonly box: { left: number; top: number; width: number; height: number } | null;
  readonly person: Person | null;
  readonly similarity: number | null;
  readonly distance: number | null;
  readonly threshold: number | null;
  readonly decidedBy: string;
  readonly quality: { reasons: readonly string[] } | null;
  readonly candidates?: readonly { person: Person; distance: number }[] | null;
}

export interface SeenImage {
  readonly id: number;
  readonly path: string;
  readonly status: string;
  readonly reason: { code: string; message: string } | null;
  readonly width: number | null;
  readonly height: number | null;
  readonly createdAt: string;
  readonly finishedAt: string | null;
  readonly faces: readonly SeenFace[];
}
