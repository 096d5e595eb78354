import { Link } from "@tanstack/react-router";
import { type Dispatch, useEffect, useState } from "react";
import { Confirm } from "@/components/confirm";
import { Note, PageHeader, Panel } from "@/components/layout";
import { Button, Select, TextArea, TextField } from "@/components/ui";
import { Words } from "@/components/words";
import type { EditorEvent, EditorState } from "./editor-state";
import { m } from "./messages";
import { formatOf, withFormat } from "./output";
import { Problems } from "./problems";
import { Reading } from "./reading";
import { columnsAt, FORMATS, problemsOf } from "./spec";
import { Steps } from "./steps";
import { TemplateChoice } from "./template-choice";
import type { TimelineEvent } from "./timeline";
import { TryOut } from "./try-out";
import type { Choice } from "./types";
import { type EditorProps, useEditor } from "./use-editor";
import { upTo, usePreview } from "./use-preview";
import { Versions } from "./versions";
import { Writing } from "./writing";

export function Editor(props: EditorProps) {
  const editor = useEditor(props);
  const { state, dispatch, saved, main, missing, check, busy, blocked } = editor;
  const [json, setJson] = useState(false);
  const [wanted, setWanted] = useState<number | null>(null);
  const steps = state.spec.steps.length;
  const after = wanted !== null && wanted < steps - 1 ? wanted : null;
  const able = missing.length === 0 && check.checked && check.problems.length === 0 && state.draft === null;
  const live = usePreview(state.spec, editor.inputs, able);
  const part = usePreview(after === null ? null : upTo(state.spec, after), editor.inputs, able);
  useUndoKeys(dispatch);
  const note = saved.version
    ? editor.dirty
      ? m.versionChangedSince({ version: saved.version })
      : m.versionNumber({ version: saved.version })
    : m.sayWhatShouldHappen;
  return (
    <>
      <PageHeader title={saved.id ? saved.name : m.newPipeline} data={saved.id !== null} note={note}>
        {saved.id && <Confirm label={m.delete} question={m.reallyDelete} act={editor.remove} />}
        <Button onClick={editor.save} busy={busy === "save"} disabled={blocked || !editor.dirty}>
          {m.save}
        </Button>
        <Button variant="primary" onClick={editor.run} busy={busy === "run"} disabled={blocked || missing.length > 0}>
          {m.run}
        </Button>
      </PageHeader>
      <div className="grid grid-cols-1 gap-4">
        {editor.error && <Note tone="bad" title={<Words text={editor.error} />} />}
        {!saved.id && state.spec.steps.length === 0 && (
          <TemplateChoice
            schema={main?.schema ?? null}
            current={state.spec}
            choose={(title, spec) => {
              dispatch({ type: "spec", spec });
              if (!state.name) dispatch({ type: "name", name: title });
            }}
          />
        )}
        <Panel>
          <div className="grid gap-4 sm:grid-cols-3">
            <TextField
              label={m.nameOfThePipeline}
              value={state.name}
              placeholder={m.ordersOfIndia}
              onChange={(event) => dispatch({ type: "name", name: event.target.value })}
            />
            {editor.names.map((name) => (
              <DatasetSelect
                key={name}
                name={name}
                choices={props.choices}
                value={editor.inputs[name] ?? ""}
                choose={(id) => editor.bind(name, id)}
              />
            ))}
            <Select
              label={m.formatOfTheResult}
              value={formatOf(state.spec.output)}
              onChange={(event) =>
                dispatch({ type: "output", output: withFormat(state.spec.output, event.target.value) })
              }
            >
              {FORMATS.map((format) => (
                <option key={format} translate="no">
                  {format}
                </option>
              ))}
            </Select>
          </div>
        </Panel>
        {!json && <Reading spec={state.spec} schema={main?.schema ?? null} dispatch={dispatch} />}
        {!json && (
          <Writing
            output={state.spec.output}
            columns={columnsAt(state.spec, main?.schema ?? null, steps)}
            dispatch={dispatch}
          />
        )}
        <div className="flex items-center justify-between gap-2">
          <h2 className="text-lg font-semibold">{m.steps}</h2>
          <div className="flex flex-wrap gap-2">
            <Button
              small
              title="Ctrl+Z"
              disabled={editor.timeline.past.length === 0}
              onClick={() => dispatch({ type: "undo" })}
            >
              {m.undo}
            </Button>
            <Button
              small
              title="Ctrl+Shift+Z"
              disabled={editor.timeline.future.length === 0}
              onClick={() => dispatch({ type: "redo" })}
            >
              {m.redo}
            </Button>
            <Button small aria-pressed={json} onClick={() => setJson(!json)}>
              {json ? m.showForms : m.editAsJson}
            </Button>
          </div>
        </div>
        {json ? (
          <JsonView key={editor.timeline.jumps} state={state} dispatch={dispatch} />
        ) : (
          <Steps
            state={state}
            jumps={editor.timeline.jumps}
            live={live}
            after={after}
            show={setWanted}
            schema={main?.schema ?? null}
            problems={check.problems}
            dispatch={dispatch}
          />
        )}
        <Problems problems={json ? check.problems : problemsOf(check.problems, null)} />
        {check.error && <Note tone="bad" title={m.cannotBeChecked} hint={<Words text={check.error} />} />}
        <p role="status" className="text-sm text-muted">
          {!check.error && (state.draft ? m.jsonCannotBeRead : summary(check.checked, check.problems.length, missing))}
        </p>
        {missing.length === 0 && (
          <TryOut
            live={after === null ? live : part}
            after={after}
            showEnd={() => setWanted(null)}
            disabled={blocked || !able}
          />
        )}
        {saved.id && (
          <Versions
            pipelineId={saved.id}
            latest={saved.version}
            spec={state.spec}
            restore={(spec) => dispatch({ type: "spec", spec })}
          />
        )}
      </div>
    </>
  );
}

/** Ctrl+Z and Ctrl+Shift+Z; in a text field they are the field's own. */
function useUndoKeys(dispatch: Dispatch<TimelineEvent>) {
  useEffect(() => {
    const pressed = (event: KeyboardEvent) => {
      if (!(event.ctrlKey || event.metaKey) || event.key.toLowerCase() !== "z") return;
      if (event.target instanceof HTMLElement && event.target.matches("input, textarea, select")) return;
      event.preventDefault();
      dispatch({ type: event.shiftKey ? "redo" : "undo" });
    };
    window.addEventListener("keydown", pressed);
    return () => window.removeEventListener("keydown", pressed);
  }, [dispatch]);
}

function summary(checked: boolean, problems: number, missing: readonly string[]): string {
  if (!checked) return m.checking;
  if (problems > 0) return m.problemsToMend({ count: problems });
  if (missing.length > 0) return m.chooseADataSet;
  return m.checked;
}

interface SelectProps {
  name: string;
  choices: readonly Choice[];
  value: string;
  choose: (id: string) => void;
}

function DatasetSelect({ name, choices, value, choose }: SelectProps) {
  const none = choices.length === 0 && (
    <Link to="/datasets" className="text-accent underline">
      {m.uploadADataSetFirst}
    </Link>
  );
  return (
    <Select
      label={name === "input" ? m.dataSet : m.dataSetName({ name })}
      hint={none || undefined}
      value={value}
      onChange={(event) => choose(event.target.value)}
    >
      <option value="">{m.choose}</option>
      {choices.map((choice) => (
        <option key={choice.id} translate="no" value={choice.id} disabled={choice.status !== "READY"}>
          {choiceText(choice)}
        </option>
      ))}
    </Select>
  );
}

function choiceText({ name, status }: Choice): string {
  if (status === "FAILED") return m.nameCannotBeRead({ name });
  return status === "INSPECTING" ? m.nameBeingInspected({ name }) : name;
}

function JsonView({ state, dispatch }: { state: EditorState; dispatch: Dispatch<EditorEvent> }) {
  const [text, setText] = useState(() => state.draft?.text ?? JSON.stringify(state.spec, null, 2));
  return (
    <TextArea
      label={m.specification}
      className="min-h-96 font-mono text-sm"
      spellCheck={false}
      value={text}
      error={state.draft?.error}
      onChange={(event) => {
        setText(event.target.value);
        dispatch({ type: "json", text: event.target.value });
      }}
    />
  );
}
