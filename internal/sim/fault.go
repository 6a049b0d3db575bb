package sim

import (
	"errors"
	"fmt"
	"path"
	"strconv"
	"strings"
	"time"
)

// The grammar of faults, the same in a model's name (after the first colon), in the header X-Sim-Fault and in the
// configuration:
//
//	faults = fault *( "+" fault )
//	fault  = name *( ";" key "=" value )
//
// Every fault takes first=N (only the first N requests that name it), skip=N (not the first N) and p=0.3 (share of
// requests, decided by the seed); the other keys are in the table of faults.

// FaultInfo describes one fault for users.
type FaultInfo struct {
	Name   string
	Params string // keys it takes, with their defaults; empty if none
	Doc    string
}

// Faults returns every fault that the simulator knows, in the order of the documentation.
func Faults() []FaultInfo {
	var all []FaultInfo
	for _, s := range statuses {
		info := FaultInfo{
			Name: strconv.Itoa(s.status), Params: "after, form=seconds|ms|date",
			Doc: fmt.Sprintf("status %d, type %s, code %s; after=SECONDS adds Retry-After", s.status, s.kind, orNull(s.code)),
		}
		all = append(all, info)
	}
	for _, f := range faultRows {
		all = append(all, FaultInfo{Name: f.name, Params: f.params, Doc: f.doc})
	}
	return all
}

func orNull(s string) string {
	if s == "" {
		return "null"
	}
	return s
}

// cutForm says how a connection ends.
type cutForm string

const (
	cutRST cutForm = "rst" // TCP reset
	cutFIN cutForm = "fin" // TCP close without the end of the body
	cutEOF cutForm = "eof" // clean end of the body
	cutMid cutForm = "mid" // TCP close inside an event
)

// effects is what the faults of one request add up to. Positions are counts of output tokens; -1 means never.
type effects struct {
	names []string

	// Before the answer.
	headerDelay time.Duration
	silent      bool
	reset       cutForm // empty: none
	refusal     *refusal

	// In time.
	firstDelay, roleDelay, tokenDelay time.Duration
	stallAfter                        int64
	stallFor, stallPings              time.Duration // stallFor 0: until the client leaves

	// Ends.
	cutAfter             int64
	cutHow               cutForm
	errorAfter           int64
	errorForm            string
	malformedAfter       int64
	noDone, noUsage      bool
	noFinish, noBlank    bool
	truncate             bool
	shortBody            bool
	wrongType, emptyBody bool
	error200             bool
	finish               string // in place of the natural finish reason

	// Framing.
	crlf, bom, pings, multiline, noSpace bool
	split                                int

	// Shape of chunks.
	usageEach, nullError, nullChoices, azure bool
	roleEach, arrayContent, noIndex, toolOne bool

	// Text.
	repeat, gibberish, unicode bool
	tokens                     int64
}

func noEffects() effects {
	return effects{stallAfter: -1, cutAfter: -1, errorAfter: -1, malformedAfter: -1}
}

// args are the values of a fault's keys.
type args struct {
	after         int64
	delay, every  time.Duration
	form          string
	tokens, bytes int64
	status        int
	first, skip   int64
	p             float64
}

// faultRow is one fault. defaults holds the values that keys have when they are not given.
type faultRow struct {
	name, params, doc string
	defaults          args
	forms             string // allowed values of form, separated by "|"; the first is the default
	apply             func(*effects, *args)
}

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
		"stall", "after=5, delay=0s, every=0s",
		"after the tokens nothing comes for the delay (0s: for ever); every=1s sends comments meanwhile",
		args{after: 5, delay: never},
		"",
		func(e *effects, a *args) { e.stallAfter, e.stallFor, e.stallPings = a.after, a.delay, a.every },
	},
	{
		"cut", "after=5, form=rst|fin|eof|mid",
		"the answer ends after the tokens: TCP reset, TCP close, clean end of the body, or close inside an event",
		args{after: 5},
		"rst|fin|eof|mid",
		func(e *effects, a *args) { e.cutAfter, e.cutHow = a.after, cutForm(a.form) },
	},
	{
		"stream-error", "after=5, form=object|string|code|event|finish",
		"an error object inside the 200 stream after the tokens; the stream then ends without [DONE]",
		args{after: 5},
		"object|string|code|event|finish",
		func(e *effects, a *args) { e.errorAfter, e.errorForm = a.after, a.form },
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
		"malformed", "after=3", "one event that is no JSON, after the tokens",
		args{after: 3},
		"",
		func(e *effects, a *args) { e.malformedAfter = a.after },
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
		"repeat", "tokens=2000", "the same word for ever",
		args{tokens: 2000},
		"",
		func(e *effects, a *args) { e.repeat, e.tokens = true, a.tokens },
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
}

// fault is one parsed fault with its keys.
type fault struct {
	name string
	row  *faultRow // nil for a plain status
	args args
}

// parseFaults reads a list of faults.
func parseFaults(s string) ([]fault, error) {
	var all []fault
	for one := range strings.SplitSeq(s, "+") {
		f, err := parseFault(strings.TrimSpace(one))
		if err != nil {
			return nil, err
		}
		all = append(all, f)
	}
	return all, nil
}

func parseFault(s string) (fault, error) {
	name, rest, _ := strings.Cut(s, ";")
	f, ok := findFault(strings.TrimSpace(name))
	if !ok {
		return fault{}, fmt.Errorf("unknown fault %q (see sluice sim --list-faults)", name)
	}
	params := "after, form=seconds|ms|date"
	forms := "seconds|ms|date"
	if f.row != nil {
		f.args, params, forms = f.row.defaults, f.row.params, f.row.forms
	} else {
		f.args.after = -1
	}
	if f.args.form == "" {
		f.args.form, _, _ = strings.Cut(forms, "|")
	}
	f.args.p = 1
	for rest != "" {
		var pair string
		pair, rest, _ = strings.Cut(rest, ";")
		key, value, _ := strings.Cut(strings.TrimSpace(pair), "=")
		if !takesKey(params, key) {
			return fault{}, fmt.Errorf("fault %q takes no %q (it takes %s)", f.name, key, allKeys(params))
		}
		if err := f.args.set(key, value, forms); err != nil {
			return fault{}, fmt.Errorf("fault %q: read %s: %w", f.name, key, err)
		}
	}
	return f, nil
}

func findFault(name string) (fault, bool) {
	for i := range faultRows {
		if faultRows[i].name == name {
			return fault{name: name, row: &faultRows[i]}, true
		}
	}
	number := strings.TrimPrefix(name, "error-")
	for _, s := range statuses {
		if number == strconv.Itoa(s.status) {
			return fault{name: number}, true
		}
	}
	return fault{}, false
}

func allKeys(params string) string {
	if params == "" {
		return "first, skip, p"
	}
	return params + ", first, skip, p"
}

func takesKey(params, key string) bool {
	for one := range strings.SplitSeq(allKeys(params), ", ") {
		if name, _, _ := strings.Cut(one, "="); name == key {
			return true
		}
	}
	return false
}

func (a *args) set(key, value, forms string) (err error) {
	switch key {
	case "after":
		a.after, err = number(value, 0)
	case "tokens":
		a.tokens, err = number(value, 1)
	case "bytes":
		a.bytes, err = number(value, 1)
	case "first":
		a.first, err = number(value, 1)
	case "skip":
		a.skip, err = number(value, 0)
	case "delay":
		a.delay, err = duration(value)
	case "every":
		a.every, err = duration(value)
	case "status":
		var n int64
		if n, err = number(value, 400); n > 599 {
			err = fmt.Errorf("%d is no error status", n)
		}
		a.status = int(n)
	case "p":
		if a.p, err = strconv.ParseFloat(value, 64); err == nil && !(a.p >= 0 && a.p <= 1) {
			err = fmt.Errorf("%s is not from 0 to 1", value)
		}
	case "form":
		for one := range strings.SplitSeq(forms, "|") {
			if one == value {
				a.form = value
				return nil
			}
		}
		err = fmt.Errorf("%q is none of %s", value, forms)
	}
	return err
}

func number(s string, low int64) (int64, error) {
	n, err := strconv.ParseInt(s, 10, 32)
	if err != nil {
		return 0, fmt.Errorf("%q is no number", s)
	}
	if n < low {
		return 0, fmt.Errorf("%d is below %d", n, low)
	}
	return n, nil
}

func duration(s string) (time.Duration, error) {
	d, err := time.ParseDuration(s)
	if err != nil || d < 0 {
		return 0, errors.New(strconv.Quote(s) + " is no duration such as 1.5s")
	}
	return d, nil
}

// apply adds the fault to the effects.
func (f *fault) apply(e *effects) {
	e.names = append(e.names, f.name)
	if f.row != nil {
		f.row.apply(e, &f.args)
		return
	}
	status, _ := strconv.Atoi(f.name)
	e.refusal = refuseStatus(status, f.args.after, f.args.form)
}

// splitModel separates a model name from the faults after its first colon. Names with a colon that is not followed by a
// fault's name are left whole, since real models have such names too. A fault with wrong keys is an error.
func splitModel(name string) (base string, faults []fault, err error) {
	base, suffix, found := strings.Cut(name, ":")
	if !found {
		return name, nil, nil
	}
	first, _, _ := strings.Cut(suffix, "+")
	first, _, _ = strings.Cut(first, ";")
	if _, ok := findFault(first); !ok {
		return name, nil, nil
	}
	faults, err = parseFaults(suffix)
	return base, faults, err
}

// matches reports whether one of the globs is the name; no globs match all.
func matches(globs []string, name string) bool {
	if len(globs) == 0 {
		return true
	}
	for _, g := range globs {
		if ok, err := path.Match(g, name); ok && err == nil {
			return true
		}
	}
	return false
}
