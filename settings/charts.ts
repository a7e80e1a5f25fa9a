/** Values of a Helm chart. */
export type ChartValues = Record<string, unknown>;

/** Which chart, and where it comes from. */
export interface ChartSource {
  /** Exact version, as the chart's maker writes it. */
  readonly version: string;
  /** An HTTP repository, `oci://` registry path, or directory of `<chart>-<version>.tgz`. */
  readonly repo: string;
}

/** A chart as a stack asks for it. */
export interface Chart extends ChartSource {
  /** Values of the operator, merged over the program's own. */
  readonly values?: ChartValues | undefined;
}

/** Istio's three charts, which share a version. */
export interface IstioChart extends ChartSource {
  readonly values?:
    | {
        readonly base?: ChartValues | undefined;
        readonly istiod?: ChartValues | undefined;
        readonly gateway?: ChartValues | undefined;
      }
    | undefined;
}

/** All charts of the platform. */
export interface ChartsSettings {
  readonly certManager: Chart;
  readonly reflector: Chart;
  readonly istio: IstioChart;
  readonly externalSecrets: Chart;
  readonly vault: Chart;
}
