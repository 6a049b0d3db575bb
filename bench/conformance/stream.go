//go:build linux

package main

import (
	"strconv"
	"time"

	"sluice/internal/llm"
)

// streams are failures within the answer. A call that is not streamed is a stream between gateway and provider, so that they hold for both forms.
func streams() []scenario {
	second := want{by: "b", a: exactly(1), b: exactly(1), wall: answerTime + timing}
	rescued := want{by: "ab", a: exactly(1), b: exactly(1), gap: timing + answerTime/2, wall: 2*answerTime + timing}
	// A call that is not streamed has shown nothing: the other target may go on, or answer anew.
	unseen := want{by: "ab", a: exactly(1), b: exactly(1), wall: 2*answerTime + timing}
	late := want{by: "b", a: exactly(1), b: exactly(1), first: firstLimit + timing, wall: firstLimit + timing + answerTime}
	inTwo := want{by: "a|ab", a: exactly(1), b: span{0, 1}, gap: timing + answerTime/2, wall: 2*answerTime + timing}
	inPlace := want{by: "a", a: exactly(1), b: exactly(0), wall: answerTime}
	cut := func(name, fault, doc string) scenario {
		return scenario{name: name, row: "stream: drop mid-stream", doc: doc + ": the answer is completed by the other target", a: fault, want: rescued, whole: &unseen}
	}
	quick := func(s scenario) scenario { s.quick = true; return s }
	stalled := rescued
	stalled.gap, stalled.wall = idleLimit+timing, idleLimit+2*answerTime+timing
	unseenStall := unseen
	unseenStall.wall = stalled.wall
	all := []scenario{
		quick(scenario{name: "slow-first-token", row: "stream: slow first token", doc: "the first token would come after 30 s: cut at the limit", a: "slow-first-token;delay=30s", want: late}),
		quick(scenario{name: "role-then-silence", row: "stream: slow first token", doc: "headers and role at once, content after 30 s: the role is no content, cut at the limit", a: "role-delay;delay=30s", want: late}),
		{name: "pings-only", row: "stream: slow first token", doc: "comments every 100 ms and no content: they do not count, cut at the limit", a: "stall;after=0;every=100ms", want: late},
		quick(scenario{name: "stall", row: "stream: no data for the idle limit", doc: "nothing after 20 tokens: cut at the idle limit, the answer is completed", a: "stall;after=20", want: stalled, whole: &unseenStall}),
		{name: "stall-pings", row: "stream: no data for the idle limit", doc: "the same, with comments that keep the connection alive: they are no progress", a: "stall;after=20;every=100ms", want: stalled, whole: &unseenStall},
		quick(cut("cut-rst", "cut;after=20;form=rst", "the connection is reset after 20 tokens")),
		cut("cut-fin", "cut;after=20;form=fin", "the connection is closed after 20 tokens"),
		quick(cut("cut-eof", "cut;after=20;form=eof", "the body ends, cleanly, after 20 tokens")),
		cut("cut-mid", "cut;after=20;form=mid", "the connection is closed inside an event, after 20 tokens"),
	}
	for i, after := range []int{1, 2, 7, 33, 58} {
		form := []string{"rst", "fin", "eof", "mid", "eof"}[i]
		all = append(all, cut("cut-"+strconv.Itoa(after), "cut;after="+strconv.Itoa(after)+";form="+form, "the stream breaks ("+form+") after "+strconv.Itoa(after)+" of 60 tokens"))
	}
	toldThen := rescued
	toldThen.b = span{1, 2} // a refusal first, where the gateway cannot know
	told := want{end: broken, a: exactly(1), b: exactly(0), wall: answerTime + timing}
	first := cut("cut-first", "cut;after=0;form=rst", "the connection is reset before the first token")
	first.want, first.whole = second, nil
	return append(all,
		first,
		scenario{name: "cut-restart", row: "R5", doc: "the stream breaks, with on_break: restart: the whole answer is asked for again, what was sent of it is left out", a: "cut;after=20", set: "on_break: restart", want: rescued, whole: &unseen},
		quick(scenario{name: "cut-error", only: "stream", row: "stream: drop mid-stream", doc: "the stream breaks, with on_break: error: part of the text and an error in the client's dialect", a: "cut;after=20", set: "on_break: error", want: told}),
		scenario{name: "cut-overlap", row: "R5", doc: "the other target says the last 20 bytes again before it goes on: they are left out", a: "cut;after=20", b: "continue=overlap", want: rescued, whole: &unseen},
		scenario{name: "cut-from-start", row: "R5", doc: "the other target begins the answer anew, though asked to go on: what was sent is left out", a: "cut;after=20", b: "continue=restart", want: rescued, whole: &unseen},
		scenario{name: "cut-no-prefill", row: "R5", doc: "the other target refuses requests that end with its own words: it is told to go on instead", a: "cut;after=20", strict: true, want: toldThen, whole: &toldThen},
		scenario{name: "cut-both", row: "stream: drop mid-stream", doc: "both targets break off, each at another place: part of the text and an error, or the whole", a: "cut;after=20", b: "cut;after=10;form=eof", want: want{end: either, a: span{1, 2}, b: span{1, 2}, wall: 4 * answerTime}},
		quick(scenario{name: "malformed", row: "stream: malformed chunk", doc: "an event that is no JSON after 20 tokens: skipped in place", a: "malformed;after=20", want: inPlace}),
		quick(scenario{name: "error-before", row: "stream: error object inside a 200", doc: "an error object before any content: the other target answers", a: "stream-error;after=0", want: second}),
		quick(scenario{name: "error-after", row: "stream: error object inside a 200", doc: "an error object after 20 tokens: the answer is completed", a: "stream-error;after=20", want: rescued, whole: &unseen}),
		scenario{name: "error-200", row: "stream: error object inside a 200", doc: "status 200 with an error as the whole body: the other target answers", a: "error-200", want: second},
		scenario{name: "error-200-plain", only: "whole", row: "direct", doc: "the same where the provider is not asked for a stream", a: "error-200", set: "supervise: off", want: second},
		scenario{name: "truncated", only: "whole", row: "stream: incomplete JSON", doc: "the JSON of the answer stops in its middle", a: "truncated", set: "supervise: off", want: second},
		scenario{name: "truncated-length", only: "whole", row: "stream: incomplete JSON", doc: "the same, short of its Content-Length", a: "truncated;form=length", set: "supervise: off", want: second},
		scenario{name: "empty", row: "direct", doc: "status 200 and no body", a: "empty", want: second},
		scenario{name: "empty-plain", only: "whole", row: "direct", doc: "the same where the provider is not asked for a stream", a: "empty", set: "supervise: off", want: second},
		scenario{name: "wrong-type", row: "direct", doc: "the right body with Content-Type: text/html: taken, or answered by the other target", a: "wrong-type", want: want{by: "a|b", a: exactly(1), b: span{0, 1}, wall: answerTime + timing}},
		quick(scenario{name: "no-end-marker", row: "stream: missing end marker", doc: "no end marker: the answer is whole where its finish reason has come, and is completed where it has not (Responses has both in one event)", a: "no-end", want: inTwo}),
		quick(scenario{name: "no-finish", row: "stream: missing end marker", doc: "an end marker and no finish reason: the answer is not whole, and is completed", a: "no-finish", want: inTwo}),
		scenario{name: "framing", row: "R7", doc: "byte order mark, CRLF, comments, data over several lines: read as any", a: "bom+crlf+pings+multiline", want: inPlace},
		scenario{name: "framing-tight", row: "R7", doc: "no space after data:, no blank line at the end", a: "no-space+no-blank", want: inPlace},
		quick(scenario{name: "tool-cut", row: "stream: incomplete JSON", doc: "the stream breaks inside the arguments of a tool call: the call is made anew, whole", ask: forTool, a: "cut;after=6;form=rst", want: rescued, whole: &unseen}),
		scenario{name: "tool-no-finish", row: "stream: missing end marker", doc: "a whole tool call and no finish reason: the other target is asked, the call is not sent twice", ask: forTool, a: "no-finish", want: inTwo},
		quick(scenario{name: "json-cut", row: "stream: incomplete JSON", doc: "the stream breaks inside structured output: it is made anew, whole", ask: forJSON, a: "cut;after=6;form=eof", want: rescued, whole: &unseen}),
		scenario{name: "tool-stall", row: "stream: no data for the idle limit", doc: "nothing after 6 tokens of a tool call", ask: forTool, a: "stall;after=6", want: stalled, whole: &unseenStall},
		quick(scenario{
			name: "json-invalid", row: "direct: invalid JSON or schema", ask: forJSON, a: "invalid-json;form=prose", one: true, set: "structured: {retry: 1, stream: hold}",
			doc:  "structured output with text around it, at the only target: mended in place, or asked for once more, more strictly; the stream is held back until then (stream: hold)",
			want: want{end: fitting, by: "a", a: span{1, 2}, wall: 3 * answerTime},
		}),
		scenario{
			name: "json-cut-off", row: "direct: invalid JSON or schema", ask: forJSON, a: "invalid-json;form=cut", one: true, set: "structured: {retry: 1, stream: hold}",
			doc: "structured output that ends in its middle, with a finish reason: asked once more", want: want{end: fitting, by: "a", a: exactly(2), wall: 3 * answerTime},
		},
		scenario{
			name: "json-schema", row: "direct: invalid JSON or schema", ask: forJSON, a: "invalid-json;form=schema", one: true, set: "structured: {retry: 1, stream: hold}",
			doc: "JSON that does not fit the schema: asked once more", want: want{end: fitting, by: "a", a: exactly(2), wall: 3 * answerTime},
		},
		scenario{
			name: "json-twice", row: "direct: invalid JSON or schema", ask: forJSON, a: "invalid-json;form=cut;once=0", one: true, set: "structured: {retry: 1, stream: hold}",
			doc: "the same each time: an error after the second try", want: want{end: refused, status: 502, code: "invalid_output", a: exactly(2), wall: 3 * answerTime},
		},
		scenario{
			name: "json-stream", row: "stream: incomplete JSON", only: "stream", ask: forJSON, a: "invalid-json;form=cut", one: true,
			doc: "the same in a stream that is not held back: an error event in place of the end", want: want{end: marked, status: 200, code: "invalid_output", a: exactly(1), wall: answerTime},
		},
		scenario{
			name: "tool-invalid", row: "direct: invalid JSON or schema", only: "whole", ask: forTool, a: "invalid-json;form=schema", one: true, set: "structured: {retry: 1}",
			doc: "arguments of a tool call that do not fit its schema: asked once more", want: want{end: fitting, by: "a", a: exactly(2), wall: 3 * answerTime},
		},
		scenario{
			name: "tool-cut-off", row: "direct: invalid JSON or schema", only: "whole", ask: forTool, a: "invalid-json;form=cut", one: true, set: "structured: {retry: 1}",
			doc: "arguments of a tool call that end in their middle, with a finish reason: asked once more", want: want{end: fitting, by: "a", a: exactly(2), wall: 3 * answerTime},
			fronts: []llm.Dialect{llm.OpenAI, llm.Responses, llm.Anthropic},
		},
		scenario{
			name: "tool-stream", row: "stream: incomplete JSON", only: "stream", ask: forTool, a: "invalid-json;form=cut", one: true,
			doc: "the same in a stream: an error event in place of the end", want: want{end: marked, code: "invalid_output", a: exactly(1), wall: answerTime},
			fronts: []llm.Dialect{llm.OpenAI, llm.Responses, llm.Anthropic},
		},
		scenario{
			name: "tool-loop", row: "R9", doc: "one word for ever in the arguments of a tool call: stopped; an error in a stream, and otherwise the other target's call", ask: forTool, a: "repeat;form=tool;tokens=4000",
			want:   want{end: marked, code: "degenerate_output", a: exactly(1), b: exactly(0), loop: 250, wall: 3 * time.Second},
			whole:  &want{by: "b", a: exactly(1), b: exactly(1), loop: 250, wall: 3 * time.Second},
			fronts: []llm.Dialect{llm.OpenAI, llm.Responses, llm.Anthropic},
		},
		scenario{
			name: "loop", row: "R9", doc: "the first target says one word for ever after 20 tokens: stopped within 200 tokens. What a client has seen of a loop cannot be taken back, so that a stream ends with an error; the other target answers where nothing was shown", a: "repeat;after=20;tokens=4000",
			want:  want{end: marked, code: "degenerate_output", a: exactly(1), b: exactly(0), loop: 250, wall: 3 * time.Second},
			whole: &want{by: "b", a: exactly(1), b: exactly(1), loop: 250, wall: 3 * time.Second},
		},
		scenario{
			name: "drip", row: "R9", doc: "a token each 400 ms, after ten at full speed, where min_rate is 10 a second over 1 s: the other target completes the answer", a: "drip;delay=400ms;after=10", set: "guards: {min_rate: 10, rate_window: 1s}",
			want: want{by: "ab", a: exactly(1), b: exactly(1), wall: 4 * time.Second},
		},
	)
}
