import { type KubeConfig, Watch } from "@kubernetes/client-node";

/** An object of the cluster. */
export interface Watched {
  /** Path of its collection, such as `/api/v1/namespaces/vault/pods`. */
  readonly collection: string;
  readonly name: string;
}

/** Milliseconds before a watch that has ended is begun anew. */
const AGAIN_MS = 1000;

/**
 * Looks now, and again at each change of an object, until something is found.
 *
 * @param look undefined when it is not time yet
 * @returns undefined when the time is over
 * @throws what `look` throws, or when the cluster refuses the watch
 */
export function watchUntil<T>(
  kubeConfig: KubeConfig,
  { collection, name }: Watched,
  seconds: number,
  look: () => Promise<T | undefined>,
): Promise<T | undefined> {
  const { promise, resolve, reject } = Promise.withResolvers<T | undefined>();
  let isOver = false;
  let watching: AbortController | undefined;
  let looks = Promise.resolve();
  const end = (settle: () => void) => {
    if (isOver) return;
    isOver = true;
    clearTimeout(timer);
    watching?.abort();
    settle();
  };
  const timer = setTimeout(() => end(() => resolve(undefined)), seconds * 1000);
  const lookAgain = () => {
    looks = looks.then(async () => {
      if (isOver) return;
      try {
        const found = await look();
        if (found !== undefined) end(() => resolve(found));
      } catch (error) {
        end(() => reject(error));
      }
    });
  };
  const begin = async () => {
    const selector = { fieldSelector: `metadata.name=${name}` };
    // It begins with what there is: a change before it is not missed.
    watching = await new Watch(kubeConfig).watch(collection, selector, lookAgain, (error) => {
      if (isOver) return;
      const { statusCode } = (error ?? {}) as { statusCode?: number };
      if (statusCode === undefined) setTimeout(() => isOver || void begin(), AGAIN_MS);
      else end(() => reject(new Error(`the cluster refuses to watch ${collection}: status ${statusCode}`)));
    });
    if (isOver) watching.abort();
  };
  lookAgain();
  begin().catch((error) => end(() => reject(error)));
  return promise;
}
