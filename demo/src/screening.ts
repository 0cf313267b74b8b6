// The vision screening: its fields and its workflow.

export type FieldKind =
  | { kind: "text"; placeholder?: string; inputMode?: "decimal" }
  | { kind: "area" }
  | { kind: "choice"; options: readonly string[] }
  | { kind: "yesno" };

export type FieldSpec = FieldKind & { name: string; label: string; hint?: string; wide?: boolean };

const ACUITY = ["6/6", "6/9", "6/12", "6/18", "6/24", "6/36", "6/60", "CF", "HM", "LP", "NLP"];

export const FIELDS: readonly FieldSpec[] = [
  { name: "acuity_right", label: "Acuity, right (OD)", kind: "choice", options: ACUITY },
  { name: "acuity_left", label: "Acuity, left (OS)", kind: "choice", options: ACUITY },
  { name: "iop_right", label: "Pressure, right", hint: "mmHg", kind: "text", inputMode: "decimal", placeholder: "10–21" },
  { name: "iop_left", label: "Pressure, left", hint: "mmHg", kind: "text", inputMode: "decimal", placeholder: "10–21" },
  { name: "colour_vision", label: "Colour vision", hint: "Ishihara", kind: "text", placeholder: "e.g. 14 / 14" },
  { name: "glasses", label: "Wears glasses", kind: "yesno" },
  {
    name: "referral",
    label: "Referral",
    kind: "choice",
    wide: true,
    options: ["None", "Optometry", "Ophthalmology, routine", "Ophthalmology, urgent", "Paediatric ophthalmology"],
  },
  { name: "notes", label: "Notes", kind: "area", wide: true },
];

export const STEPS: readonly string[] = [
  "Registration", "History", "Visual acuity", "Tonometry", "Doctor’s review", "Done",
];

export const stepName = (step: number | null): string =>
  step === null ? "No step yet" : (STEPS[step] ?? `Step ${step + 1}`);

export const fieldLabel = (name: string): string => FIELDS.find((field) => field.name === name)?.label ?? name;
