package sim

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/tidwall/gjson"

	"sluice/internal/dialect"
	"sluice/internal/llm"
)

// front is a way to ask for a chat, or a completion.
type front struct {
	tongue
	name  string
	array bool // the stream is a JSON array
	plain bool // it is a completion
}

func fronts() []front {
	all := []front{
		{name: "chat", tongue: tongue{dialect: llm.OpenAI, whole: "/v1/chat/completions", live: "/v1/chat/completions"}},
		{name: "completions", plain: true, tongue: tongue{dialect: llm.OpenAI, whole: "/v1/completions", live: "/v1/completions"}},
		{name: "gemini array", array: true, tongue: tongue{
			dialect: llm.Gemini,
			whole:   "/v1beta/models/%s:generateContent", live: "/v1beta/models/%s:streamGenerateContent",
		}},
	}
	for _, g := range tongues() {
		all = append(all, front{name: g.dialect.String(), tongue: g})
	}
	return all
}

// request writes a request.
func (f *front) request(c *llm.Chat) (path, body string) {
	if path = f.whole; c.Stream {
		path = f.live
	}
	if strings.Contains(path, "%s") {
		path = fmt.Sprintf(path, strings.ReplaceAll(c.Model, ";", "%3B"))
	}
	if f.plain {
		return path, fmt.Sprintf(`{"model":%q,"prompt":%q,"max_tokens":4000,"stream":%v}`, c.Model, c.Messages[0].Parts[0].Text, c.Stream)
	}
	return path, f.body(c)
}

// outcome is what became of a request.
type outcome struct {
	*front
	answer
	stream bool
	got    *llm.Answer // nil if nothing could be read
	fail   *llm.Error  // that reading it ended with
	bad    int         // events that could not be read
	whole  string      // the text of the same answer without a fault
	server *Server
	client *client
}

// say is the text that came.
func (o *outcome) say() string {
	if o.got == nil {
		return ""
	}
	return textOf(o.got)
}

// read reads an answer, however it ended.
func (f *front) read(t *testing.T, a answer, stream bool) (o outcome) {
	t.Helper()
	o = outcome{front: f, answer: a, stream: stream}
	switch {
	case a.status != 200:
	case f.plain:
		o.readPlain()
	case stream && strings.HasPrefix(a.body, `{`) && f.frames:
		o.fail = llm.Errorf(llm.KindProviderStream, "an object in place of frames")
	case !stream:
		o.got, o.fail = dialect.Of(f.dialect).ReadAnswer([]byte(a.body))
	case f.array:
		a.body = asEvents(a.body)
		o.got, o.fail, o.bad = f.fold(t, a)
	default:
		o.got, o.fail, o.bad = f.fold(t, a)
	}
	return o
}

// asEvents turns a JSON array into events.
func asEvents(body string) string {
	var b strings.Builder
	body = strings.TrimSuffix(strings.TrimPrefix(strings.TrimSpace(body), "["), "]")
	next := regexp.MustCompile(`,\s*(\{"(?:candidates|error|usageMetadata|promptFeedback)")`)
	for one := range strings.SplitSeq(next.ReplaceAllString(body, "\x00$1"), "\x00") {
		b.WriteString("data: " + strings.ReplaceAll(strings.TrimSpace(one), "\n", "") + "\n\n")
	}
	return b.String()
}

// readPlain reads a completion.
func (o *outcome) readPlain() {
	text, finish, failed := "", "", false
	read := func(one string) {
		v := gjson.Parse(one)
		switch {
		case !gjson.Valid(one): // no JSON
			o.bad++
		case v.Get("error").Exists() || v.Get("choices.0.finish_reason").Str == "error":
			failed = true
		default:
			text += v.Get("choices.0.text").Str
			finish += v.Get("choices.0.finish_reason").Str
		}
	}
	if o.stream {
		for _, one := range events(o.body) {
			if one != "[DONE]" {
				read(one)
			}
		}
	} else {
		read(o.body)
	}
	o.got = &llm.Answer{Choices: []llm.Choice{{Parts: []llm.Part{{Kind: llm.PartText, Text: text}}}}}
	switch {
	case failed || !o.stream && o.bad > 0:
		o.fail = llm.Errorf(llm.KindProviderStream, "an error object, or no JSON")
	case finish == "":
		o.fail = llm.Errorf(llm.KindTruncated, "no finish reason")
	case finish == "content_filter":
		o.got.Choices[0].Finish = llm.FinishFilter
	default:
		o.got.Choices[0].Finish = llm.FinishStop
	}
}

// complete fails unless the whole answer came.
func (o *outcome) complete(t *testing.T) {
	t.Helper()
	if o.status != 200 || o.err != nil || o.fail != nil || o.say() != o.whole {
		t.Errorf("status %d, errors %v and %v, text %q, want %q", o.status, o.err, o.fail, o.say(), o.whole)
	}
}

// classified fails unless the answer is an error of one of some kinds, and returns it.
func (o *outcome) classified(t *testing.T, want ...llm.Kind) *llm.Error {
	t.Helper()
	e := classify(t, &o.tongue, o.answer)
	if !slices.Contains(want, e.Kind) {
		t.Errorf("classified as %v, want %v: %d %s", e.Kind, want, o.status, o.body)
	}
	return e
}

// broken fails unless a part of the answer came, and nothing says that it is all of it.
func (o *outcome) broken(t *testing.T) {
	t.Helper()
	if o.status != 200 || o.err == nil && o.fail == nil {
		t.Errorf("status %d, no error, body %.300q", o.status, o.body)
	}
	if o.stream && (!strings.HasPrefix(o.whole, o.say()) || o.say() == o.whole) {
		t.Errorf("text %q is no part of %q", o.say(), o.whole)
	}
	if !o.stream && json.Valid([]byte(o.body)) {
		t.Errorf("a whole body: %s", o.body)
	}
}

type check func(t *testing.T, o *outcome)

// refusedAs checks that a request is refused, with a wait where one is stated.
func refusedAs(wait time.Duration, kinds ...llm.Kind) check {
	return func(t *testing.T, o *outcome) {
		t.Helper()
		e := o.classified(t, kinds...)
		if o.dialect != llm.Converse && e.RetryAfter != wait { // Amazon states none
			t.Errorf("wait %v, want %v: %v %s", e.RetryAfter, wait, o.header, o.body)
		}
	}
}

func severed(t *testing.T, o *outcome) {
	t.Helper()
	if o.status != 0 || !errors.Is(o.err, syscall.ECONNRESET) && !errors.Is(o.err, io.EOF) {
		t.Errorf("status %d, error %v", o.status, o.err)
	}
}

// errorWithin checks an error object with status 200.
func errorWithin(t *testing.T, o *outcome) {
	t.Helper()
	if o.status != 200 || o.fail == nil && !gjson.Get(o.body, "error").Exists() && !gjson.Get(o.body, "message").Exists() {
		t.Errorf("status %d, no error: %q", o.status, o.body)
	}
	if o.say() == o.whole {
		t.Errorf("the whole answer came: %q", o.body)
	}
	if o.server.Stats().Usage.Billed != 0 {
		t.Errorf("an error is billed: %+v", o.server.Stats().Usage)
	}
}

// withoutEnd checks a stream that lacks only what ends it.
func withoutEnd(t *testing.T, o *outcome) {
	t.Helper()
	if !o.stream || o.dialect == llm.Gemini && !o.array {
		o.complete(t)
		return
	}
	end := map[llm.Dialect]string{llm.OpenAI: "[DONE]", llm.Anthropic: "message_stop", llm.Responses: "response.completed", llm.Converse: "metadata"}[o.dialect]
	if o.array {
		end = "]\n"
	}
	if o.err != nil || strings.Contains(o.body+"\n", "\n"+end) || o.dialect != llm.Gemini && strings.Contains(o.body, end) || o.say() != o.whole {
		t.Errorf("error %v, text %q, body ends with %q", o.err, o.say(), o.body[max(0, len(o.body)-200):])
	}
}

// failure is a row of table F with the switches that play it. late are those whose effect is time.
type failure struct {
	row      string
	switches map[string]check
	late     map[string]lateCheck
}

func tableF() []failure {
	rate := []llm.Kind{llm.KindRateLimited}
	server := []llm.Kind{llm.KindServerError, llm.KindOverloaded, llm.KindTotalTimeout}
	overload := []llm.Kind{llm.KindOverloaded}
	limits := map[string]check{
		"429": refusedAs(0, rate...), "429;after=2": refusedAs(2*sec, rate...), "rate-limit;after=3": refusedAs(3*sec, rate...),
	}
	broken := func(t *testing.T, o *outcome) { t.Helper(); o.broken(t) }
	return []failure{
		{row: "direct: timeout on long output", late: map[string]lateCheck{
			"slow-headers;delay=60s": {first: 60 * sec}, "long;tokens=100+drip;delay=1s": {last: 99 * sec},
		}},
		{row: "direct: 429 with or without Retry-After", switches: limits},
		{row: "direct: 500/502/503/504", switches: map[string]check{
			"500": refusedAs(0, server...), "502": refusedAs(0, server...), "503": refusedAs(0, server...), "504": refusedAs(0, server...),
			"html": refusedAs(0, server...), "down": refusedAs(0, overload...),
		}},
		{row: "direct: 529 overloaded", switches: map[string]check{
			"overloaded": func(t *testing.T, o *outcome) {
				refusedAs(0, overload...)(t, o)
				if (o.status == 529) != (o.dialect == llm.Anthropic) {
					t.Errorf("status %d", o.status)
				}
			}, "529": refusedAs(0, server...),
		}},
		{row: "direct: content filter block", switches: map[string]check{
			"content-filter": func(t *testing.T, o *outcome) {
				if o.dialect == llm.Gemini {
					if o.status != 200 || !strings.Contains(o.body, "blockReason") {
						t.Errorf("%d %s", o.status, o.body)
					}
					return
				}
				o.classified(t, llm.KindContentFilter, llm.KindRejected)
			},
			"filtered": func(t *testing.T, o *outcome) {
				if o.got == nil || o.got.Choices[0].Finish != llm.FinishFilter {
					t.Errorf("%d %s", o.status, o.body)
				}
			},
		}},
		{row: "direct: invalid JSON or schema", switches: map[string]check{
			"invalid-json": notJSON, "invalid-json;form=fence": notJSON, "invalid-json;form=schema": notJSON,
		}},
		{
			row: "direct: reset before headers; accepted and silent", switches: map[string]check{"reset": severed, "reset;form=fin": severed, "down;form=reset": severed},
			late: map[string]lateCheck{"silent": {never: true}},
		},
		{row: "stream: drop mid-stream", switches: map[string]check{
			"cut;after=random": broken, "cut;after=random;form=fin": broken, "cut;after=random;form=eof": broken, "cut;after=random;form=mid": broken,
		}},
		{row: "stream: malformed chunk", switches: map[string]check{"malformed;after=random": func(t *testing.T, o *outcome) {
			if o.status != 200 || o.err != nil || o.bad == 0 && o.fail == nil && (o.stream || json.Valid([]byte(o.body))) {
				t.Errorf("%d %v, all can be read: %q", o.status, o.err, o.body)
			}
		}}},
		{row: "stream: incomplete JSON at the end", switches: map[string]check{"invalid-json;form=cut": notJSON}},
		{row: "stream: no data for the idle limit; slow first token", late: map[string]lateCheck{
			"stall;after=random": {never: true, begun: true}, "slow-first-token;delay=30s": {first: 30 * sec},
			"role-delay;delay=30s": {last: 30 * sec}, "drip;delay=2s;after=3": {last: 20 * sec},
		}},
		{row: "stream: 429 before the stream starts", switches: limits},
		{row: "stream: missing end marker; error object inside a 200 stream", switches: map[string]check{
			"no-end": withoutEnd, "error-200": errorWithin,
			"stream-error;after=random": func(t *testing.T, o *outcome) {
				if !o.stream {
					errorWithin(t, o)
					return
				}
				if o.status != 200 || o.err != nil || o.fail == nil || o.say() == "" || !strings.HasPrefix(o.whole, o.say()) || o.say() == o.whole {
					t.Errorf("%d, errors %v and %v, text %q", o.status, o.err, o.fail, o.say())
				}
			},
		}},
	}
}

// notJSON checks structured output that is not what was asked for, and that the next try of the conversation is.
func notJSON(t *testing.T, o *outcome) {
	t.Helper()
	if o.plain {
		o.complete(t) // completions have no structured output
		return
	}
	fits := func(text string) bool { return gjson.Valid(text) && gjson.Get(text, "id").Type == gjson.Number }
	if o.status != 200 || o.fail != nil || o.say() == "" || fits(o.say()) {
		t.Errorf("%d %v: %q", o.status, o.fail, o.say())
	}
	chat := structured("sim-fast:invalid-json", o.stream, "how does the sluice work?\n\nAnswer with JSON that fits the schema, and nothing else.")
	path, body := o.request(&chat)
	again := o.read(t, o.client.root().do("POST", path, body, o.tongue.header...), o.stream)
	if again.fail != nil || !fits(again.say()) {
		t.Errorf("second try: %v %q", again.fail, again.say())
	}
}

func structured(model string, stream bool, text string) llm.Chat {
	c := userChat(model, text)
	c.Stream = stream
	c.Format = llm.Format{Kind: llm.FormatSchema, Name: "gate", Schema: weatherTools()[1].Parameters}
	return c
}

// lateCheck says when something is written.
type lateCheck struct {
	first time.Duration // nothing before
	last  time.Duration // something at or after
	never bool          // it does not end
	begun bool          // something is written before it does not end
}

// TestTableF holds each failure of table F to its switches, in every dialect, streamed or not.
func TestTableF(t *testing.T) {
	t.Parallel()
	for _, row := range tableF() {
		for _, f := range fronts() {
			for _, stream := range []bool{false, true} {
				if f.array && !stream {
					continue
				}
				for fault, check := range row.switches {
					t.Run(fmt.Sprintf("%s/%s/%v/%s", row.row, f.name, stream, fault), func(t *testing.T) {
						t.Parallel()
						s, c := start(t, quick())
						chat := userChat("sim-fast", "how does the sluice work?")
						if strings.HasPrefix(fault, "invalid-json") {
							chat = structured("sim-fast", stream, "how does the sluice work?")
						}
						chat.Stream = stream
						ask := func() outcome {
							path, body := f.request(&chat)
							return f.read(t, c.root().do("POST", path, body, f.tongue.header...), stream)
						}
						plain := ask()
						s.Reset()
						chat.Model += ":" + fault
						o := ask()
						settled(s)
						if plain.fail != nil || plain.err != nil || plain.say() == "" {
							t.Fatalf("without the fault: %v %v %q", plain.fail, plain.err, plain.body)
						}
						o.whole, o.server, o.client = plain.say(), s, c
						check(t, &o)
					})
				}
				for fault, check := range row.late {
					t.Run(fmt.Sprintf("%s/%s/%v/%s", row.row, f.name, stream, fault), func(t *testing.T) {
						t.Parallel()
						synctest.Test(t, func(t *testing.T) { late(t, &f, stream, fault, check) })
					})
				}
			}
		}
	}
}

// stamped notes when something was written.
type stamped struct {
	*httptest.ResponseRecorder
	start       time.Time
	first, last time.Duration
}

func (w *stamped) Write(b []byte) (int, error) {
	if w.last = time.Since(w.start); w.Body.Len() == 0 {
		w.first = w.last
	}
	return w.ResponseRecorder.Write(b)
}

func late(t *testing.T, f *front, stream bool, fault string, want lateCheck) {
	s := newTimed(t, quick())
	defer s.Close()
	chat := userChat("sim-fast:"+fault, "how does the sluice work?")
	chat.Stream = stream
	path, body := f.request(&chat)
	ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
	defer cancel()
	r := httptest.NewRequestWithContext(ctx, http.MethodPost, path, strings.NewReader(body))
	for i := 0; i+1 < len(f.tongue.header); i += 2 {
		r.Header.Set(f.tongue.header[i], f.tongue.header[i+1])
	}
	w := &stamped{ResponseRecorder: httptest.NewRecorder(), start: time.Now()}
	s.ServeHTTP(w, r)
	took := time.Since(w.start)
	switch wrote := w.Body.Len() > 0; {
	case want.never && (took != time.Hour || wrote != want.begun || s.Stats().Aborted != 1):
		t.Errorf("took %v, %d bytes, aborted %d", took, w.Body.Len(), s.Stats().Aborted)
	case !want.never && (w.first < want.first || w.last < want.last || took > 30*time.Minute || !wrote):
		t.Errorf("took %v, first written after %v, last after %v", took, w.first, w.last)
	}
}

// TestDocumentListsTableF compares the table of docs/SIM.md with the switches that are tested.
func TestDocumentListsTableF(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("../../docs/SIM.md")
	if err != nil {
		t.Fatal(err)
	}
	_, table, _ := strings.Cut(string(text), "<!-- table F -->\n")
	table, _, _ = strings.Cut(table, "<!-- /table F -->")
	code := regexp.MustCompile("`([^`]+)`")
	got := map[string][]string{}
	for line := range strings.Lines(table) {
		cells := strings.Split(line, "|")
		if len(cells) < 4 || strings.HasPrefix(cells[1], " failure") || strings.HasPrefix(cells[1], " --") {
			continue
		}
		row := strings.TrimSpace(cells[1])
		got[row] = []string{}
		for _, m := range code.FindAllStringSubmatch(cells[2], -1) {
			got[row] = append(got[row], m[1])
		}
		slices.Sort(got[row])
	}
	want := map[string][]string{}
	for _, f := range tableF() {
		for name := range f.switches {
			want[f.row] = append(want[f.row], name)
		}
		for name := range f.late {
			want[f.row] = append(want[f.row], name)
		}
		slices.Sort(want[f.row])
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("table F in docs/SIM.md (-tested +documented):\n%s", diff)
	}
}
