import { Command } from "commander";
import { jsonOption, sizeOption, threadsOption } from "../options.js";

interface ExportCommandOptions {
  readonly weights: string;
  readonly out: string;
  readonly size?: { width: number; height: number };
  readonly threads: number;
  readonly json?: boolean;
}

/** `echoduet export`: one ONNX file with both outputs. */
export function exportCommand(): Command {
  return new Command("export")
    .description("write a model as one ONNX file (dynamic batch, metadata inside), checked against the run")
    .requiredOption("--weights <path>", "a run, a checkpoint, a .pt or a .safetensors file")
    .requiredOption("--out <file>", "the .onnx file to write")
    .addOption(sizeOption("network input, N or WxH (pixels); by default the training's, else 640"))
    .addOption(threadsOption())
    .addOption(jsonOption())
    .action(async ({ json, ...options }: ExportCommandOptions) => {
      const { exportModel } = await import("../../serving/index.js");
      const result = await exportModel(options);
      const { file, bytes, largestDifference, metadata } = result;
      process.stdout.write(
        json
          ? `${JSON.stringify(result, null, 2)}\n`
          : `${file}: ${metadata.model}, ${(bytes / 1e6).toFixed(1)} MB, within ${largestDifference.toExponential(1)} of the run\n`,
      );
    });
}
