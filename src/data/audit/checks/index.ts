import type { Check } from "../evidence.js";
import type { FindingCode } from "../types.js";
import { boxEmpty, boxOutOfRange, boxRepeated } from "./boxes.js";
import { groupsUndeclared, groupsUnmatched } from "./groups.js";
import { duplicateExact, duplicateNear, imageUnreadable, privacyText } from "./images.js";
import { labelClassRange, labelMissing, labelOrphan, labelUnparseable } from "./labels.js";
import {
  classAbsent,
  leakageClip,
  leakageDuplicate,
  leakagePatient,
  shiftClass,
  shiftView,
  splitUnreadable,
} from "./splits.js";
import {
  rulesViolation,
  viewAmbiguous,
  viewContradictory,
  viewMissing,
  viewMixedClip,
  viewOrderDoubtful,
  viewOrderUndeclared,
} from "./views.js";

/** The check behind every finding's code. */
export const checks: Readonly<Record<FindingCode, Check>> = {
  "split.unreadable": splitUnreadable,
  "label.orphan": labelOrphan,
  "label.missing": labelMissing,
  "label.unparseable": labelUnparseable,
  "label.class-range": labelClassRange,
  "box.out-of-range": boxOutOfRange,
  "box.empty": boxEmpty,
  "box.repeated": boxRepeated,
  "view.missing": viewMissing,
  "view.contradictory": viewContradictory,
  "view.ambiguous": viewAmbiguous,
  "view.mixed-clip": viewMixedClip,
  "view.order-undeclared": viewOrderUndeclared,
  "view.order-doubtful": viewOrderDoubtful,
  "rules.violation": rulesViolation,
  "duplicate.exact": duplicateExact,
  "duplicate.near": duplicateNear,
  "leakage.patient": leakagePatient,
  "leakage.clip": leakageClip,
  "leakage.duplicate": leakageDuplicate,
  "shift.class": shiftClass,
  "shift.view": shiftView,
  "class.absent": classAbsent,
  "image.unreadable": imageUnreadable,
  "privacy.text": privacyText,
  "groups.undeclared": groupsUndeclared,
  "groups.unmatched": groupsUnmatched,
};
