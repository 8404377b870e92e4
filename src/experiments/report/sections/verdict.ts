import type { Change, CostFacts, Ground } from "../../compare/reasons.js";
import type { Note } from "../../compare/notes.js";
import type { Endpoint } from "../../compare/pool.js";
import { designSources, joined, type SectionContext } from "../context.js";
import type { Block, Line, Provenance, Section } from "../document.js";
import { measured, name } from "../values.js";

/** What is recommended, why, what would change it, and what a reader must know of the numbers. */
export function verdictSection(context: SectionContext): Section {
  const { say } = context.texts;
  return { id: "verdict", title: say("verdict.title"), blocks: [...verdict(context), ...remarks(context)] };
}

function verdict(context: SectionContext): Block[] {
  const { facts, texts } = context;
  const { say } = texts;
  const { recommendation } = facts.compared;
  if (facts.sweep === null) return [];
  if (recommendation === null) return [{ kind: "text", lines: [say("verdict.none")] }];
  const { design, grounds, changes } = recommendation;
  return [
    {
      kind: "verdict",
      title: say("verdict.recommended", { design: name(design) }),
      lines: grounds.map((ground) => groundLine(context, ground)),
    },
    ...(changes.length === 0
      ? []
      : [
          { kind: "text" as const, lines: [say("verdict.wouldChange")] },
          { kind: "list" as const, lines: changes.map((change) => changeLine(context, change)) },
        ]),
  ];
}

function remarks(context: SectionContext): Block[] {
  const { facts, texts } = context;
  const lines = [
    ...facts.compared.remarks.map((note) => noteLine(context, note)),
    ...facts.compared.testOpened.map(({ time, who }) =>
      texts.say("verdict.testOpened", { time: name(time), who: name(who) }),
    ),
  ];
  return lines.length === 0
    ? []
    : [
        { kind: "text", lines: [texts.say("verdict.notes")] },
        { kind: "note", lines },
      ];
}

const endpointKeys = { map50: "metric.map50", balancedAccuracy: "metric.balancedAccuracy" } as const;

function groundLine({ facts, texts }: SectionContext, ground: Ground): Line {
  const { say, comma, and } = texts;
  const endpoint = (each: Endpoint) => say(endpointKeys[each]);
  switch (ground.kind) {
    case "highest": {
      const { design, endpoints, values } = ground;
      const from = designSources(facts, design);
      return say("ground.highest", {
        design: name(design),
        endpoints: joined(endpoints.map(endpoint), and),
        values: joined(
          endpoints.map((each) =>
            say("ground.value", { metric: endpoint(each), value: measured(values[each], "fixed3", from) }),
          ),
          comma,
        ),
      });
    }
    case "noCheaper":
      return say("ground.noCheaper");
    case "difference": {
      const { design, difference, interval, adjustedP, patients, seeds } = ground;
      const from = contrastSources(facts, design);
      return say("ground.difference", {
        design: name(design),
        metric: endpoint(ground.endpoint),
        difference: measured(difference, "signed3", from, interval),
        p: measured(adjustedP, "p", from),
        patients: measured(patients, "integer", from),
        seeds: measured(seeds, "integer", from),
      });
    }
    case "cheapest": {
      const { design, remaining, cost, best } = ground;
      const reference = facts.compared.recommendation?.best ?? design;
      return say("ground.cheapest", {
        design: name(design),
        remaining: measured(remaining, "integer", contrastSources(facts, design)),
        cost: costLine(texts, cost, designSources(facts, design)),
        best: costLine(texts, best, designSources(facts, reference)),
      });
    }
    case "excluded":
      return say("ground.excluded", { designs: joined(ground.designs.map(name), comma) });
  }
}

function changeLine({ facts, texts }: SectionContext, change: Change): Line {
  const { say } = texts;
  const { design, best } = facts.compared.recommendation ?? { design: "", best: "" };
  const from = contrastSources(facts, design);
  switch (change.kind) {
    case "powerless": {
      const all = facts.compared.validation.designs.flatMap((each) => designSources(facts, each.name));
      return say("change.powerless", {
        patients: measured(change.patients, "integer", all),
        p: measured(change.leastP, "p", all),
        tests: measured(change.tests, "integer", all),
      });
    }
    case "detectable":
      return say("change.detectable", {
        metric: say(endpointKeys[change.endpoint]),
        difference: measured(change.difference, "fixed3", from),
      });
    case "costless":
      return say("change.costless", { best: name(change.best) });
    case "next":
      return say("change.next", {
        design: name(change.design),
        next: name(change.next),
        cost: costLine(texts, change.cost, designSources(facts, change.next)),
      });
    case "fewSeeds":
      return say("change.fewSeeds", {
        seeds: measured(change.seeds, "integer", designSources(facts, best)),
      });
  }
}

function noteLine({ facts, texts }: SectionContext, note: Note): Line {
  const { say, comma } = texts;
  const all = facts.compared.validation.designs.flatMap((each) => designSources(facts, each.name));
  const count = (value: number, from = all) => measured(value, "integer", from);
  const of = (run: string) => facts.runs.filter((each) => each.name === run);
  switch (note.kind) {
    case "fewPatients":
      return say("note.fewPatients", { patients: count(note.patients) });
    case "unknownPatients":
      return say("note.unknownPatients", { unknown: count(note.unknown), units: count(note.units) });
    case "withoutClass":
      return say("note.withoutClass", {
        resamples: count(note.resamples),
        task: say(note.task === "detection" ? "task.detection" : "task.classification"),
      });
    case "incompleteSeeds":
      return say("note.incompleteSeeds", {
        designs: joined(note.designs.map(name), comma),
        seeds: joined(
          note.seeds.map((seed) => name(String(seed))),
          comma,
        ),
      });
    case "leakage": {
      const from = of(note.run).flatMap((run) => facts.provenanceOf(run, "train"));
      const { shared, images, of: total, to } = note.mark;
      return say("note.leakage", {
        run: name(note.run),
        to: name(to),
        patients: count(shared.patient, from),
        clips: count(shared.clip, from),
        files: count(shared.duplicate, from),
        images: count(Math.max(images.patient, images.clip, images.duplicate), from),
        total: count(total, from),
      });
    }
    case "seen": {
      const from = of(note.run).flatMap((run) => facts.provenanceOf(run, "val"));
      return say("note.seen", {
        run: name(note.run),
        seen: count(note.seen, from),
        images: count(note.images, from),
      });
    }
    case "machines":
      return say("note.machines", { places: joined(note.places.map(name), comma) });
  }
}

function contrastSources(facts: SectionContext["facts"], design: string): readonly Provenance[] {
  const reference = facts.compared.recommendation?.best;
  const names = new Set([design, ...(reference === undefined ? [] : [reference])]);
  return [...names].flatMap((each) => designSources(facts, each));
}

function costLine(
  { say }: SectionContext["texts"],
  { flops, parameters, extraOptions }: CostFacts,
  from: readonly Provenance[],
): Line {
  return say("ground.cost", {
    flops: measured(flops, "giga3", from),
    parameters: measured(parameters, "mega2", from),
    options: measured(extraOptions, "integer", from),
  });
}
