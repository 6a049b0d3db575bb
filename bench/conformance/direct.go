//go:build linux

package main

import (
	"time"

	"sluice/internal/llm"
)

// direct are failures before the answer, in the order of the scorecard.
func direct() []scenario {
	second := want{by: "b", a: exactly(1), b: exactly(1), wall: answerTime + timing}
	again := want{by: "a", a: exactly(2), wall: 2*answerTime + timing}
	at := func(name, row, doc, fault string) scenario {
		return scenario{name: name, row: row, doc: doc + "; the other target answers", a: fault, want: second}
	}
	once := func(name, row, doc, fault string) scenario {
		return scenario{name: name, row: row, doc: doc + " once, at the only target; it is asked again", one: true, a: fault + ";first=1", want: again}
	}
	quick := func(s scenario) scenario { s.quick = true; return s }
	return []scenario{
		{name: "healthy", doc: "nothing fails", want: want{by: "a", a: exactly(1), wall: answerTime}},
		quick(scenario{
			name: "429-wait", row: "direct: 429", doc: "429 with Retry-After: 1, at the only target: the wait is obeyed, to 0.2 s", one: true, a: "429;after=1;first=1",
			want: want{by: "a", a: exactly(2), waitLow: time.Second, waitHigh: 1200 * time.Millisecond},
		}),
		quick(at("429-other", "direct: 429", "429 with Retry-After: 30", "429;after=30")),
		quick(once("429-plain", "direct: 429", "429 without Retry-After", "429")),
		at("429-plain-other", "direct: 429", "429 without Retry-After", "429"),
		at("quota", "direct: 429", "429 of a quota that does not end by itself", "quota"),
		{
			name: "quota-only", row: "direct: 429", doc: "the same at the only target: an error, without a second request", one: true, a: "quota",
			want: want{end: refused, status: 429, a: exactly(1), retry: "false"},
		},
		quick(at("500", "direct: 500/502/503/504", "500", "500")),
		quick(once("500-once", "direct: 500/502/503/504", "500", "500")),
		at("502-html", "direct: 500/502/503/504", "502 with a page in HTML", "html;status=502"),
		quick(at("503", "direct: 500/502/503/504", "503", "503")),
		once("503-once", "direct: 500/502/503/504", "503", "503"),
		at("504", "direct: 500/502/503/504", "504", "504"),
		quick(at("529", "direct: 529", "529 overloaded", "529")),
		at("408", "direct: timeout", "408", "408"),
		quick(at("reset", "direct: reset before headers", "the connection is reset before the headers", "reset;form=rst")),
		at("closed", "direct: reset before headers", "the connection is closed before the headers", "reset;form=fin"),
		quick(scenario{
			name: "silent", row: "direct: accepted and silent", doc: "the request is accepted and nothing comes: the other target answers after the limit", a: "silent",
			want: want{by: "b", a: exactly(1), b: exactly(1), wall: headerLimit + timing + answerTime, first: headerLimit + timing},
		}),
		{
			name: "silent-only", row: "direct: accepted and silent", doc: "the same at the only target: an error after the limit, and no second request", one: true, a: "silent",
			want: want{end: refused, status: 504, a: exactly(1), wall: headerLimit + timing},
		},
		{
			name: "slow-headers", row: "direct: timeout", doc: "the answer would begin after 30 s: cut at the limit, the other target answers", a: "slow-headers;delay=30s",
			want: want{by: "b", a: exactly(1), b: exactly(1), wall: headerLimit + timing + answerTime, first: headerLimit + timing},
		},
		{
			name: "both-down", row: "direct: 500/502/503/504", doc: "503 at both: one error, in the client's dialect", a: "503", b: "503",
			want: want{end: refused, a: span{1, 3}, b: span{1, 3}, wall: 2 * answerTime},
		},
		{
			name: "both-limited", row: "direct: 429", doc: "429 with Retry-After: 90 at both: an error that says so, at once", a: "429;after=90", b: "429;after=90",
			want: want{end: refused, status: 429, a: exactly(1), b: exactly(1), wall: answerTime},
		},
		quick(scenario{
			name: "filter-400", row: "direct: content filter block", doc: "the prompt is refused by a content filter: not routed around", a: "content-filter",
			want: want{end: blocked, status: 400, a: exactly(1), b: exactly(0), wall: answerTime},
		}),
		{
			name: "filter-finish", row: "direct: content filter block", doc: "the answer ends by a content filter: passed on, not routed around", a: "filtered",
			want: want{end: filtered, by: "a", a: exactly(1), b: exactly(0), wall: answerTime},
		},
		{
			name: "filter-opt-in", fronts: []llm.Dialect{llm.OpenAI, llm.Responses, llm.Anthropic}, row: "R2", doc: "the same refusal with failover_on: [content_filter]: the other target answers", a: "content-filter", set: "failover_on: [content_filter]",
			want: second,
		},
		{
			name: "bad-request", row: "R2", doc: "400: not routed around", a: "400",
			want: want{end: refused, status: 400, a: exactly(1), b: exactly(0), wall: answerTime},
		},
		{
			name: "auth", row: "R2", doc: "401: not routed around", a: "401",
			want: want{end: refused, status: 502, code: "provider_auth_failed", a: exactly(1), b: exactly(0), wall: answerTime},
		},
		{name: "auth-opt-in", row: "R2", doc: "401 with failover_on: [auth]: the other target answers", a: "401", set: "failover_on: [auth]", want: second},
		{
			name: "context", row: "R2", doc: "the prompt is too long for the first target's window: the second has a larger one, and answers", a: "context-length", windows: [2]int{1000, 100_000},
			want: second,
		},
		{
			name: "context-equal", row: "R2", doc: "the same, and the second window is no larger: the error, without a second request", a: "context-length", windows: [2]int{1000, 1000},
			want: want{end: refused, status: 400, a: exactly(1), b: exactly(0), wall: answerTime},
		},
		{
			name: "context-only", row: "R2", doc: "the same at the only target: the error, without a second request", one: true, a: "context-length",
			want: want{end: refused, status: 400, a: exactly(1), wall: answerTime},
		},
		{
			name: "deadline", row: "R1", doc: "X-Sluice-Deadline: 900ms and targets that would take 30 s: an error by then", a: "slow-headers;delay=30s", b: "slow-headers;delay=30s",
			header: [2]string{"X-Sluice-Deadline", "900ms"},
			want:   want{end: refused, status: 504, a: exactly(1), b: span{0, 1}, wall: 900*time.Millisecond + timing},
		},
	}
}
