package sim

import "time"

const (
	sec   = time.Second
	never = time.Duration(0)
)

// faultRows are the faults other than plain statuses.
var faultRows = [...]faultRow{
	{
		"quota", "", "429 insufficient_quota: it does not end by itself, so no Retry-After",
		args{},
		"",
		func(e *effects, _ *args) { e.refusal = refuseQuota() },
	},
	{
		"context-length", "", "400 context_length_exceeded",
		args{},
		"",
		func(e *effects, _ *args) { e.refusal = refuseContext(0, 0) },
	},
	{
		"content-filter", "", "400 content_filter with innererror, as Azure refuses a prompt",
		args{},
		"",
		func(e *effects, _ *args) { e.refusal = refuseFilter() },
	},
	{
		"html", "status=502", "an error page in HTML, as a proxy in between sends it",
		args{status: 502},
		"",
		func(e *effects, a *args) { e.refusal = refuseHTML(a.status) },
	},
	{
		"error-body", "form=string|bare|array|detail|empty|code, status=500",
		"error bodies of other servers: error is a string, no error key, an array, FastAPI's detail, no body, numeric code",
		args{status: 500},
		"string|bare|array|detail|empty|code",
		func(e *effects, a *args) { e.refusal = refuseOdd(a.status, a.form) },
	},
	{
		"slow-headers", "delay=5s", "nothing is sent for the delay, then a normal answer",
		args{delay: 5 * sec},
		"",
		func(e *effects, a *args) { e.headerDelay = a.delay },
	},
	{
		"silent", "", "the request is accepted and nothing is ever sent",
		args{},
		"",
		func(e *effects, _ *args) { e.silent = true },
	},
	{
		"reset", "form=rst|fin", "the connection breaks before the headers",
		args{},
		"rst|fin",
		func(e *effects, a *args) { e.reset = cutForm(a.form) },
	},
	{
		"slow-first-token", "delay=5s", "the answer, with its headers, begins late by the delay",
		args{delay: 5 * sec},
		"",
		func(e *effects, a *args) { e.firstDelay = a.delay },
	},
	{
		"role-delay", "delay=5s", "headers and the chunk with only the role come at once, content late by the delay",
		args{delay: 5 * sec},
		"", func(e *effects, a *args) { e.roleDelay = a.delay },
	},
	{
		"slow", "delay=1s", "every token comes later by the delay than the one before",
		args{delay: sec},
		"",
		func(e *effects, a *args) { e.tokenDelay = a.delay },
	},
	{
		"stall", "after=5" + ranged + ", delay=0s, every=0s",
		"after the tokens nothing comes for the delay (0s: for ever); every=1s sends comments meanwhile",
		args{after: 5, delay: never},
		"",
		func(e *effects, a *args) {
			e.stallAfter, e.stallFor, e.stallPings = e.drawn.at(atStall, a), a.delay, a.every
		},
	},
	{
		"cut", "after=5" + ranged + ", form=rst|fin|eof|mid",
		"the answer ends after the tokens: TCP reset, TCP close, clean end of the body, or close inside an event",
		args{after: 5},
		"rst|fin|eof|mid",
		func(e *effects, a *args) { e.cutAfter, e.cutHow = e.drawn.at(atCut, a), cutForm(a.form) },
	},
	{
		"stream-error", "after=5" + ranged + ", form=object|string|code|event|finish",
		"an error object inside the 200 stream after the tokens; the stream then ends without [DONE]",
		args{after: 5},
		"object|string|code|event|finish",
		func(e *effects, a *args) { e.errorAfter, e.errorForm = e.drawn.at(atError, a), a.form },
	},
	{
		"error-200", "form=object|string|code", "status 200 with an error object as the body",
		args{},
		"object|string|code",
		func(e *effects, a *args) { e.error200, e.errorForm = true, a.form },
	},
	{
		"truncated", "form=clean|length",
		"the JSON of an answer that is not streamed stops in the middle: with a fitting or a too large Content-Length",
		args{},
		"clean|length",
		func(e *effects, a *args) { e.truncate, e.shortBody = true, a.form == "length" },
	},
	{"empty", "", "status 200 without a body", args{}, "", func(e *effects, _ *args) { e.emptyBody = true }},
	{
		"wrong-type", "", "the right body with Content-Type text/html",
		args{},
		"",
		func(e *effects, _ *args) { e.wrongType = true },
	},
	{"no-done", "", "a complete stream without [DONE]", args{}, "", func(e *effects, _ *args) { e.noDone = true }},
	{"no-usage", "", "no usage, though it was asked for", args{}, "", func(e *effects, _ *args) { e.noUsage = true }},
	{
		"no-finish", "", "a stream with [DONE] but without finish_reason",
		args{},
		"",
		func(e *effects, _ *args) { e.noFinish = true },
	},
	{
		"no-blank", "", "the blank line after the last event is missing",
		args{},
		"",
		func(e *effects, _ *args) { e.noBlank = true },
	},
	{
		"filtered", "", "finish_reason content_filter",
		args{},
		"",
		func(e *effects, _ *args) { e.finish = "content_filter" },
	},
	{
		"malformed", "after=3" + ranged, "one event that is no JSON, after the tokens",
		args{after: 3},
		"",
		func(e *effects, a *args) { e.malformedAfter = e.drawn.at(atMalformed, a) },
	},
	{"crlf", "", "lines end with CR LF", args{}, "", func(e *effects, _ *args) { e.crlf = true }},
	{"bom", "", "the stream begins with a byte order mark", args{}, "", func(e *effects, _ *args) { e.bom = true }},
	{"pings", "", "comments before and between the events", args{}, "", func(e *effects, _ *args) { e.pings = true }},
	{
		"multiline", "", "each event's data is spread over several data lines",
		args{},
		"",
		func(e *effects, _ *args) { e.multiline = true },
	},
	{"no-space", "", "`data:` without the space after it", args{}, "", func(e *effects, _ *args) { e.noSpace = true }},
	{
		"split", "bytes=1", "the stream is written in pieces of so many bytes, with text of many scripts: runes and lines are cut",
		args{bytes: 1},
		"", func(e *effects, a *args) { e.split, e.unicode = int(a.bytes), true },
	},
	{"usage-each", "", "running usage on every chunk", args{}, "", func(e *effects, _ *args) { e.usageEach = true }},
	{"null-error", "", `"error":null in every chunk`, args{}, "", func(e *effects, _ *args) { e.nullError = true }},
	{
		"null-choices", "", `a first chunk with "choices":null, and the same in the usage chunk`,
		args{},
		"",
		func(e *effects, _ *args) { e.nullChoices = true },
	},
	{
		"azure", "", "a first chunk with empty choices, id and model, and prompt_filter_results",
		args{},
		"",
		func(e *effects, _ *args) { e.azure = true },
	},
	{"role-each", "", "the role in every delta", args{}, "", func(e *effects, _ *args) { e.roleEach = true }},
	{"array-content", "", "content is an array of parts", args{}, "", func(e *effects, _ *args) { e.arrayContent = true }},
	{"no-index", "", "fragments of tool calls without index", args{}, "", func(e *effects, _ *args) { e.noIndex = true }},
	{
		"whole-tools", "", "the arguments of a tool call come in one fragment",
		args{},
		"",
		func(e *effects, _ *args) { e.toolOne = true },
	},
	{
		"repeat", "tokens=2000, after=0, form=text|thinking|tool",
		"the same word for ever (so many tokens), after so many tokens, in the text, the thoughts or a tool's arguments",
		args{tokens: 2000},
		"text|thinking|tool",
		func(e *effects, a *args) { e.repeat = repetition{form: a.form, after: a.after, tokens: a.tokens} },
	},
	{
		"gibberish", "tokens=400", "debris in place of sentences",
		args{tokens: 400},
		"",
		func(e *effects, a *args) { e.gibberish, e.tokens = true, a.tokens },
	},
	{
		"long", "tokens=50000", "an answer of so many tokens",
		args{tokens: 50000},
		"",
		func(e *effects, a *args) { e.tokens = a.tokens },
	},
	{
		"unicode", "", "text of many scripts, with runes of up to four bytes",
		args{},
		"",
		func(e *effects, _ *args) { e.unicode = true },
	},
	{
		"unnamed", "", "events without their names, in the dialects that name them",
		args{},
		"",
		func(e *effects, _ *args) { e.unnamed = true },
	},
	{
		"ping-flood", "events=1000", "so many pings before the first content, in Anthropic's dialect",
		args{events: 1000},
		"",
		func(e *effects, a *args) { e.pingFlood = int(a.events) },
	},
	{
		"down", "form=503|reset|refuse",
		"the provider is down: 503, a reset, or (with for in a rule) a closed port; in a rule for every request, the list of models too",
		args{},
		"503|reset|refuse",
		func(e *effects, a *args) {
			if e.refusal = refuseStatus(503, -1, ""); a.form != "503" {
				e.refusal, e.reset = nil, cutRST
			}
		},
	},
	{
		"overloaded", "after, form=seconds|ms|date", "529 in Anthropic's dialect, 498 with deviate=groq, 503 elsewhere; after=SECONDS adds Retry-After",
		args{after: -1},
		"seconds|ms|date",
		func(e *effects, a *args) {
			e.refusal, e.overloaded = refuseStatus(503, a.after, a.form), true
		},
	},
	{
		"rate-limit", "after=2", "429 with the wait in all of the provider's own words: headers of what is left, texts, RetryInfo",
		args{after: 2},
		"",
		func(e *effects, a *args) {
			e.refusal, e.limited = refuseStatus(429, a.after, "both"), true
		},
	},
	{
		"drip", "delay=1s, after=0", "one token every delay, in place of the engine's speed, after so many tokens",
		args{delay: sec},
		"",
		func(e *effects, a *args) { e.drip, e.dripAfter = a.delay, a.after },
	},
	{
		"invalid-json", "form=prose|fence|cut|schema, once=1",
		"structured output or tool arguments with text around, in a code fence, cut off, or that break the schema; the next try of a conversation is good",
		args{once: true},
		"prose|fence|cut|schema",
		func(e *effects, a *args) { e.badJSON = a.form },
	},
	{
		"no-end", "", "a complete stream without the event that ends it: [DONE], message_stop, response.completed, Gemini's ], Converse's metadata",
		args{},
		"",
		func(e *effects, _ *args) { e.noEnd = true },
	},
	{
		"continue", "form=" + goings + ", bytes=20",
		"how a partial answer is gone on with: saying its last bytes again, from the start, after a phrase, or not; may be written continue=overlap",
		args{bytes: 20},
		goings,
		func(e *effects, a *args) { e.going, e.overlap = a.form, a.bytes },
	},
	{
		"deviate", "form=" + quirkForms,
		"OpenAI's dialect as another provider speaks it; may be written deviate=groq",
		args{},
		quirkForms,
		func(e *effects, a *args) { quirkOf(a.form).apply(e) },
	},
}

// goings are the ways to go on with a partial answer, other than exactly.
const goings = "overlap|restart|chatty|ignore"

// quirkForms are the names of the quirks.
const quirkForms = "groq|together|fireworks|openrouter|deepseek|mistral|xai|cerebras|ollama|vllm|llamacpp|azure|perplexity|gemini"
