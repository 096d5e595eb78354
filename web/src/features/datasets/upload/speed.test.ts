import { describe, expect, it } from "vitest";
import { addSample, type Sample, secondsLeft, speed, WINDOW } from "./speed";

const steady = (seconds: number, perSecond: number): Sample[] => {
  let samples: Sample[] = [];
  for (let second = 0; second <= seconds; second += 1) samples = addSample(samples, second * 1000, second * perSecond);
  return samples;
};

describe("speed", () => {
  it("is bytes over time in the window", () => expect(speed(steady(10, 5_000_000), 10_000)).toBe(5_000_000));
  it("says nothing at the very start", () => expect(speed(addSample([], 0, 0), 100)).toBeNull());
  it("forgets what is older than the window", () => {
    let samples = steady(60, 1000);
    for (let second = 61; second <= 61 + WINDOW / 1000; second += 1) {
      samples = addSample(samples, second * 1000, 60_000 + (second - 60) * 9000);
    }
    expect(speed(samples, samples.at(-1)?.time ?? 0)).toBe(9000);
  });
  it("falls while nothing moves", () => {
    const samples = steady(10, 1000);
    expect(speed(samples, 20_000)).toBe(500);
  });
  it("begins anew when a failed part gives bytes back", () => {
    expect(addSample(steady(10, 1000), 11_000, 4000)).toEqual([{ time: 11_000, bytes: 4000 }]);
  });
  it("does not keep a sample per progress event", () => {
    let samples: Sample[] = [];
    for (let time = 0; time < 1000; time += 10) samples = addSample(samples, time, time);
    expect(samples.length).toBeLessThanOrEqual(5);
  });
});

describe("time left", () => {
  it("is what is left over the speed", () => expect(secondsLeft(40, 100, 20)).toBe(3));
  it("is zero at the end and unknown without speed", () => {
    expect(secondsLeft(100, 100, null)).toBe(0);
    expect([secondsLeft(0, 100, null), secondsLeft(0, 100, 0)]).toEqual([null, null]);
  });
});
