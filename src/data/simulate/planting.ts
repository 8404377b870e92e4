import { EchoDuetError } from "../../errors.js";
import { type RandomStream, randomStream } from "../../tensor/index.js";
import { SCENES, VIEWS } from "./anatomy.js";
import { type Entry, entryOf, type LabelFault } from "./entries.js";
import { FAULT_KINDS, type FaultKind } from "./fault-kinds.js";
import { type ResolvedSimulation, SPLITS, type Split } from "./options.js";
import { grouped, labelFile, type TrueFault } from "./truth.js";

/** A data set with its faults: the pictures, label files without picture, and what no file alone shows. */
export interface Planted {
  readonly entries: readonly Entry[];
  readonly orphans: readonly Entry[];
  /** Faults that `consequencesOf(entries)` cannot tell: orphans and shifts. */
  readonly faults: readonly TrueFault[];
}

/**
 * Plants the faults that the options ask for into a sound data set. A frame gets at most one fault of its own,
 * so that each fault's consequences are plain.
 * Throws a config error where there are fewer places for a fault than asked for.
 */
export function plantFaults(sound: readonly Entry[], options: ResolvedSimulation): Planted {
  const garden = new Garden(sound, options);
  garden.leakPatients();
  garden.leakClips();
  garden.copy("exactDuplicates", false, "plain");
  garden.copy("exactDuplicatesAcross", true, "plain");
  garden.copy("nearDuplicates", false, "re-encoded");
  garden.copy("nearDuplicatesAcross", true, "re-encoded");
  garden.breakRules();
  garden.dissent();
  for (const fault of LABEL_FAULTS) garden.breakLabels(fault);
  garden.spoil("corruptImages", "corrupt");
  garden.spoil("burntInText", "text");
  garden.orphan();
  return { entries: garden.entries, orphans: garden.orphans, faults: [...garden.faults, ...shifts(options)] };
}

const LABEL_FAULTS: readonly LabelFault[] = [
  "viewMissing",
  "viewContradictory",
  "viewAmbiguous",
  "unparseable",
  "classRange",
  "boxOutOfRange",
  "boxEmpty",
  "boxRepeated",
  "labelMissing",
];

/** A shift shows in the splits as wholes. Whether a test finds it depends on how many patients there are. */
function shifts({ faults }: ResolvedSimulation): TrueFault[] {
  const kinds = ["shiftView", "shiftClass"] as const;
  return kinds
    .filter((kind) => faults[kind] > 0)
    .map((kind) => ({
      code: FAULT_KINDS[kind].code,
      file: "data.yaml",
      detail: `test against the others: ${FAULT_KINDS[kind].help}`,
    }));
}

class Garden {
  readonly entries: Entry[];
  readonly orphans: Entry[] = [];
  readonly faults: TrueFault[] = [];
  /** Frames, clips and patients that have their fault. */
  readonly #taken = new Set<Entry | string>();
  readonly #total: Record<"frames" | "clips" | "patients", number>;
  readonly #nextClip = new Map<number, number>();
  readonly #splits: readonly Split[];

  constructor(
    sound: readonly Entry[],
    readonly options: ResolvedSimulation,
  ) {
    this.entries = [...sound];
    this.#total = {
      frames: sound.length,
      clips: options.patients * options.clipsPerPatient,
      patients: options.patients,
    };
    this.#splits = SPLITS.filter((split) => sound.some((entry) => entry.split === split));
  }

  /** One whole clip of a patient goes to another split. */
  leakPatients(): void {
    const random = this.#random("patientLeakage");
    const patients = grouped(this.entries, ({ patient }) => patient);
    const places = [...patients].filter(([, own]) => own.some(({ clip }) => clip !== own[0]!.clip));
    for (const [patient, own] of this.#pick("patientLeakage", places)) {
      const clip = random.shuffled([...new Set(own.map((entry) => entry.clip))])[0];
      this.#move(
        own.filter((entry) => entry.clip === clip),
        random,
      );
      this.#taken.add(patient);
    }
  }

  /** The later half of a clip's frames goes to another split. */
  leakClips(): void {
    const random = this.#random("clipLeakage");
    const clips = [...grouped(this.entries, ({ clip }) => clip).values()];
    const places = clips.filter((own) => own.length > 1 && !this.#taken.has(own[0]!.patient));
    const seen = new Set<string>();
    const onePerPatient = random.shuffled(places).filter(([first]) => {
      const isNew = !seen.has(first!.patient);
      seen.add(first!.patient);
      return isNew;
    });
    for (const own of this.#pick("clipLeakage", onePerPatient)) {
      this.#move(own.slice(Math.ceil(own.length / 2)), random);
      this.#taken.add(own[0]!.patient);
    }
  }

  #move(frames: readonly Entry[], random: RandomStream): void {
    const to = this.#otherSplit(frames[0]!.split, random);
    for (const entry of frames) entry.split = to;
  }

  #otherSplit(split: Split, random: RandomStream): Split {
    const others = this.#splits.filter((other) => other !== split);
    if (others.length === 0) {
      throw new EchoDuetError(
        "config",
        "simulate: leakage and copies across splits expect patients in two splits, got one; add patients",
      );
    }
    return others[random.integer(others.length)]!;
  }

  /**
   * New frames and their copies, each as a clip of its own: beside a copied frame of a longer clip, its
   * neighbours would be nearly like the copy, too. The copy is filed under a patient of the same or another split.
   */
  copy(kind: FaultKind, across: boolean, image: "plain" | "re-encoded"): void {
    const random = this.#random(kind);
    const patients = new Map(this.entries.map((entry) => [entry.patient, entry]));
    for (const { split, shows } of this.#pick(kind, this.#free())) {
      const shown = { ...shows, clip: this.#newClip(shows.patient), frame: 0 };
      const to = across ? this.#otherSplit(split, random) : split;
      const hosts = [...patients.values()].filter((host) => host.split === to && !this.#leaks(host));
      const patient = hosts[random.integer(Math.max(1, hosts.length))]?.shows.patient ?? shows.patient;
      const named = { patient, clip: this.#newClip(patient), frame: 0 };
      const pair = [entryOf(split, shown), { ...entryOf(to, shown, named), image }];
      this.entries.push(...pair);
      this.#take(...pair);
    }
  }

  #leaks({ patient }: Entry): boolean {
    return (
      new Set(this.entries.filter((entry) => entry.patient === patient).map(({ split }) => split)).size > 1
    );
  }

  /** Whole clips labelled with a view that cannot show their valve. */
  breakRules(): void {
    const random = this.#random("ruleViolations");
    const clips = [...grouped(this.entries, ({ clip }) => clip).values()];
    const places = clips.filter((own) => own.every((entry) => !this.#taken.has(entry)));
    for (const own of this.#pick("ruleViolations", places)) {
      const { valve } = own[0]!.shows.scene;
      const blind = VIEWS.filter(
        (view) => !SCENES.some((scene) => scene.view === view && scene.valve === valve),
      );
      const view = blind[random.integer(blind.length)]!;
      for (const entry of own) entry.label.view = view;
      this.#take(...own);
    }
  }

  /** Single frames labelled with another view than their clip, always fewer than half of it. */
  dissent(): void {
    const random = this.#random("viewNoise");
    const clips = [...grouped(this.entries, ({ clip }) => clip).values()];
    const places = clips.flatMap((own) => {
      const most = own.every((entry) => !this.#taken.has(entry)) ? Math.ceil(own.length / 2) - 1 : 0;
      return random.shuffled(own).slice(0, most);
    });
    for (const entry of this.#pick("viewNoise", places)) {
      const others = VIEWS.filter((view) => view !== entry.label.view);
      entry.label.view = others[random.integer(others.length)]!;
      this.#take(entry);
    }
  }

  /** Label files with one fault each. */
  breakLabels(fault: LabelFault): void {
    for (const entry of this.#pick(fault, this.#free())) {
      entry.label.fault = fault;
      this.#take(entry);
    }
  }

  /** Pictures with a fault. */
  spoil(kind: FaultKind, image: "corrupt" | "text"): void {
    for (const entry of this.#pick(kind, this.#free())) {
      entry.image = image;
      this.#take(entry);
    }
  }

  /** Label files without a picture, as if of one more clip. */
  orphan(): void {
    for (const { split, shows } of this.#pick("labelOrphan", this.#free())) {
      const orphan = entryOf(split, shows, { ...shows, clip: this.#newClip(shows.patient), frame: 0 });
      this.orphans.push(orphan);
      this.faults.push({ code: "label.orphan", file: labelFile(orphan), detail: "no picture" });
    }
  }

  #free(): Entry[] {
    return this.entries.filter((entry) => !this.#taken.has(entry));
  }

  #take(...entries: readonly Entry[]): void {
    for (const entry of entries) this.#taken.add(entry);
  }

  #newClip(patient: number): number {
    const clip = this.#nextClip.get(patient) ?? this.options.clipsPerPatient + 1;
    this.#nextClip.set(patient, clip + 1);
    return clip;
  }

  #random(kind: FaultKind): RandomStream {
    return randomStream(this.options.seed, "simulate", "fault", kind);
  }

  /** As many of the places as the options ask for. */
  #pick<T>(kind: FaultKind, places: readonly T[]): T[] {
    const amount = this.options.faults[kind];
    const { of } = FAULT_KINDS[kind];
    const count = amount < 1 ? Math.round(amount * this.#total[of]) : amount;
    if (count > places.length) {
      throw new EchoDuetError(
        "config",
        `simulate: ${kind} expects at most ${places.length} here, got ${count}; ` +
          "plant fewer faults, or simulate more patients or frames a clip",
      );
    }
    const order = randomStream(this.options.seed, "simulate", "fault", kind, "places");
    return order.shuffled(places).slice(0, count);
  }
}
