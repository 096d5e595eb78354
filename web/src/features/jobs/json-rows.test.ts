import { describe, expect, it } from "vitest";
import { fieldsOf } from "./json-rows";

describe("fieldsOf", () => {
  it("takes the fields in the order of the columns, and tells null from the empty text", () => {
    const line = '{"b":"","a":"x","c":null,"e":true}';
    expect(fieldsOf(line, ["a", "b", "c", "d", "e"])).toEqual(["x", "", null, null, "true"]);
  });
  it("loses no digit and no zero", () => {
    expect(fieldsOf('{"id":9007199254740993,"price":12.50,"far":1e400}', ["id", "price", "far"])).toEqual([
      "9007199254740993",
      "12.50",
      "1e400",
    ]);
  });
  it("leaves what is nested as it is written", () => {
    const line = '{"list":[1,{"a":","}],"in":{"x":[2.0,"}"],"y":null},"end":"e"}';
    expect(fieldsOf(line, ["list", "in", "end"])).toEqual(['[1,{"a":","}]', '{"x":[2.0,"}"],"y":null}', "e"]);
  });
  it("reads texts with signs of JSON, escapes and names with quotes", () => {
    expect(fieldsOf('{ "a:b" : "say \\"{,}\\" \\u00e9\\n" , "q\\"" : "\\\\" }', ["a:b", 'q"'])).toEqual([
      'say "{,}" é\n',
      "\\",
    ]);
    expect(fieldsOf("{}", ["a"])).toEqual([null]);
  });
});
