import type { FileSystemStatistics, SuperblockInfo } from "@bulkhead/ext4";
import type { GivenArguments } from "../command-line/declaration.js";
import { ExitCode } from "../command-line/exit-code.js";
import { formatBytes, formatTime } from "../output/format.js";
import { Output } from "../output/output.js";
import { json, printable } from "../output/printable.js";
import { sourceSettings } from "../source/open-disk.js";
import { openImage } from "../source/open-image.js";

export function run(given: GivenArguments): number {
  const ext4 = openImage(given.positionals[0]!, sourceSettings(given));
  const output = new Output();
  try {
    const info = ext4.info();
    const usage = ext4.statfs();
    if (given.flag("json")) output.line(json({ ...info, usage }, 2));
    else
      for (const [label, value] of describe(info, usage)) output.line(`${`${label}:`.padEnd(14)} ${printable(value)}`);
    output.flush();
  } finally {
    ext4.close();
  }
  return ExitCode.success;
}

/** What is told to people: a label and a value a line. */
export function describe(
  info: SuperblockInfo,
  usage: Pick<FileSystemStatistics, "blockSize" | "blocks" | "blocksFree" | "filesFree">,
): [label: string, value: string][] {
  const { features, journal, replay } = info;
  const used = (usage.blocks - usage.blocksFree) * usage.blockSize;
  const size = usage.blocks * usage.blockSize;
  const lines: [string, string][] = [
    ["Label", info.label === "" ? "(none)" : info.label],
    ["UUID", info.uuid],
    ["State", info.state],
    ["Features", [...features.compat, ...features.incompat, ...features.roCompat].join(" ") || "(none)"],
    ["Size", `${formatBytes(info.blockCount * info.blockSize)}, ${info.blockCount} blocks of ${info.blockSize} bytes`],
    [
      "Used",
      `${formatBytes(used)} of ${formatBytes(size)} for files${size > 0 ? ` (${Math.round((used / size) * 100)}%)` : ""}`,
    ],
    ["Inodes", `${info.inodeCount} of ${info.inodeSize} bytes, ${usage.filesFree} free`],
    ["Groups", `${info.groupCount} of ${info.blocksPerGroup} blocks`],
  ];
  if (info.clusterSize !== info.blockSize) lines.push(["Clusters", formatBytes(info.clusterSize)]);
  if (journal !== undefined) {
    const blocks = journal.blocks === undefined ? "" : `, ${formatBytes(journal.blocks * info.blockSize)}`;
    const where = journal.inode === 0 ? `on device ${journal.device}` : `inode ${journal.inode}`;
    const state = info.needsRecovery || replay !== undefined ? ", needs recovery" : "";
    lines.push(["Journal", `${where}${blocks}${state}`]);
  }
  if (replay !== undefined) {
    const { transactions, blocks, fastCommits, fastCommitsStopped } = replay;
    const fast = fastCommits === 0 ? "" : `, ${fastCommits} fast commits`;
    lines.push(["Recovered", `${transactions} transactions, ${blocks} blocks${fast}, in memory only`]);
    if (fastCommitsStopped !== undefined) {
      lines.push(["Left out", `fast commits after number ${fastCommits}: ${fastCommitsStopped}`]);
    }
  }
  if (info.orphanCount === undefined) lines.push(["Orphans", "their list is damaged; run e2fsck"]);
  else if (info.orphanCount > 0) lines.push(["Orphans", `${info.orphanCount} files to be freed or truncated`]);
  lines.push(["Created", timeOf(info.createdTime)]);
  lines.push(["Mounted", `${timeOf(info.mountTime)}${info.lastMounted === "" ? "" : `, at ${info.lastMounted}`}`]);
  lines.push(["Written", timeOf(info.writeTime)]);
  lines.push(["Checked", timeOf(info.checkTime)]);
  if (info.errorCount > 0) {
    const last = info.lastError;
    const where = last === undefined ? "" : `; the last ${timeOf(last.time)} in ${last.function}, inode ${last.inode}`;
    lines.push(["Errors", `${info.errorCount} recorded${where}; run e2fsck`]);
  }
  return lines;
}

function timeOf(seconds: number): string {
  return seconds === 0 ? "never" : formatTime({ seconds, nanoseconds: 0 }).replace(/\.0+ /, " ");
}
