// Package caller is a client of the four chat fronts that believes nothing. It asks as a client of the dialect does, reads what
// comes by the letter of the protocol, and says of each call what came, when, and what about it was wrong. It uses the codecs to write
// requests and to read content, and checks the protocol by itself. It runs no goroutines.
package caller

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"strings"
	"time"

	"sluice/internal/dialect"
	"sluice/internal/llm"
	"sluice/internal/wire"
)

// maxBody bounds what is read of one answer, in bytes.
const maxBody = 16 << 20

// Front is a protocol that clients of a gateway speak.
type Front struct {
	Name    string
	Dialect llm.Dialect
}

// Fronts returns the chat fronts, in a fixed order.
func Fronts() []Front {
	return []Front{{"openai", llm.OpenAI}, {"responses", llm.Responses}, {"anthropic", llm.Anthropic}, {"gemini", llm.Gemini}}
}

// Request returns the request for a chat. base is the root of a gateway, or of a simulator: both have the same paths.
func (f Front) Request(ctx context.Context, base string, chat *llm.Chat) (*http.Request, error) {
	var path string
	switch f.Dialect {
	case llm.OpenAI:
		path = "/v1/chat/completions"
	case llm.Responses:
		path = "/v1/responses"
	case llm.Anthropic:
		path = "/v1/messages"
	case llm.Gemini:
		path = "/v1beta/models/" + chat.Model + ":generateContent"
		if chat.Stream {
			path = "/v1beta/models/" + chat.Model + ":streamGenerateContent?alt=sse"
		}
	default:
		return nil, fmt.Errorf("no front speaks %s", f.Dialect)
	}
	body := dialect.Of(f.Dialect).AppendChat(nil, chat)
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, base+path, bytes.NewReader(body))
	if err != nil {
		return nil, fmt.Errorf("make request: %w", err)
	}
	r.Header.Set("Content-Type", "application/json")
	if f.Dialect == llm.Anthropic {
		r.Header.Set("Anthropic-Version", "2023-06-01")
	}
	return r, nil
}

// Told is an error as a client was told of it.
type Told struct {
	Status  int // of the answer
	Code    string
	Type    string
	Message string
}

// Result is what came of one call.
type Result struct {
	Status int
	Header http.Header
	Body   []byte // as it came, at most maxBody
	// Answer is what came of the answer, whole or not; nil if nothing of one could be read.
	Answer *llm.Answer
	// Complete says that the answer ended as its protocol ends what is whole.
	Complete bool
	// Told is the error that the client was told of; nil if it was not.
	Told *Told
	// Bad lists what the protocol forbids.
	Bad []string
	// Broken is why the connection ended early, or could not be had; nil if it did not.
	Broken error

	First  time.Duration // until the first content; 0 if none came
	Gap    time.Duration // longest silence between two reads that brought content
	Wall   time.Duration // until the end
	Pieces int           // reads that brought content
}

// Call sends a request and reads the answer to its end.
func (f Front) Call(client *http.Client, r *http.Request, stream bool) *Result {
	start := time.Now()
	res := &Result{}
	resp, err := client.Do(r)
	if err != nil {
		res.Broken, res.Wall = err, time.Since(start)
		return res
	}
	defer resp.Body.Close()
	res.Status, res.Header = resp.StatusCode, resp.Header
	kind, _, _ := mime.ParseMediaType(resp.Header.Get("Content-Type"))
	if stream && resp.StatusCode == http.StatusOK {
		if kind != "text/event-stream" {
			res.bad("a stream of type %q", kind)
		}
		f.stream(res, resp.Body, start)
	} else {
		if kind != "application/json" {
			res.bad("an answer of type %q", kind)
		}
		f.whole(res, resp.Body)
	}
	res.Wall = time.Since(start)
	return res
}

// maxBad bounds what is listed of one call.
const maxBad = 12

func (r *Result) bad(format string, args ...any) {
	if len(r.Bad) < maxBad {
		r.Bad = append(r.Bad, fmt.Sprintf(format, args...))
	}
}

// whole reads an answer in one piece, or an error.
func (f Front) whole(res *Result, body io.Reader) {
	b, err := io.ReadAll(io.LimitReader(body, maxBody))
	res.Body, res.Broken = b, err
	if err != nil {
		return
	}
	if !json.Valid(b) {
		res.bad("the body is no JSON")
		return
	}
	if res.Status != http.StatusOK {
		res.Told = readError(f.Dialect, res.Status, b, res)
		return
	}
	var top map[string]json.RawMessage
	if json.Unmarshal(b, &top) == nil && f.Dialect != llm.Responses {
		if _, has := top["error"]; has {
			res.bad("an answer with a member error")
		}
	}
	codec := dialect.Of(f.Dialect)
	a, e := codec.ReadAnswer(b)
	if e != nil {
		res.bad("the answer cannot be read: %v", e)
		return
	}
	res.Answer = a
	scan, e := codec.Scan(llm.OpChat, b)
	if res.Complete = e == nil && scan.Complete; !res.Complete {
		res.bad("the answer is not whole, though the status is 200")
	}
}

// stream reads a streamed answer.
func (f Front) stream(res *Result, body io.Reader, start time.Time) {
	rd := wire.Reader{}
	rd.Reset(maxBody)
	s := &streamed{res: res, front: f, check: newChecker(f.Dialect, res), reader: dialect.Of(f.Dialect).NewReader(), start: start}
	src := io.TeeReader(io.LimitReader(body, maxBody), writerFunc(func(b []byte) { res.Body = append(res.Body, b...) }))
	for {
		_, err := rd.Fill(src)
		now := time.Now()
		before := s.pieces
		for {
			ev, ok, nerr := rd.Next()
			if nerr != nil {
				res.bad("the stream cannot be cut into events: %v", nerr)
				return
			}
			if !ok {
				break
			}
			s.event(&ev)
		}
		if s.pieces > before {
			s.arrived(now)
		}
		if err == nil {
			continue
		}
		if !errors.Is(err, io.EOF) {
			res.Broken = err
		}
		if ev, ok := rd.Last(); ok && !ev.Comment {
			res.bad("the stream ends inside an event: %.80q", ev.Raw)
		}
		s.end()
		return
	}
}

type writerFunc func([]byte)

func (w writerFunc) Write(b []byte) (int, error) {
	w(b)
	return len(b), nil
}

// streamed is a stream that is being read.
type streamed struct {
	res    *Result
	front  Front
	check  checker
	reader llm.EventReader
	folder llm.Folder
	events []llm.Event
	start  time.Time
	last   time.Time // when content last came; zero if none has
	pieces int
	begun  bool
	over   bool // the codec has read an end or an error
}

// event takes one event of the wire.
func (s *streamed) event(ev *wire.Event) {
	if ev.Comment {
		if strings.HasPrefix(string(ev.Raw), "event:") {
			s.res.bad("an event without data: %.80q", ev.Raw)
		}
		return
	}
	s.check.event(ev.Name, ev.Data)
	if s.over {
		return
	}
	var e *llm.Error
	s.events, e = s.reader.Read(s.events[:0], ev.Name, ev.Data)
	s.add()
	if e != nil {
		s.over = true
		if s.res.Told == nil {
			s.res.bad("the codec reads an error, the protocol does not say one: %v", e)
		}
	}
}

func (s *streamed) add() {
	for i := range s.events {
		e := &s.events[i]
		s.begun = true
		switch e.Kind {
		case llm.EventMalformed:
			s.res.bad("an event that the codec cannot read")
		case llm.EventDelta:
			if len(e.Text) > 0 {
				s.pieces++
			}
		}
		s.folder.Add(e)
	}
}

// arrived notes the time of content.
func (s *streamed) arrived(now time.Time) {
	if s.last.IsZero() {
		s.res.First = now.Sub(s.start)
	} else {
		s.res.Gap = max(s.res.Gap, now.Sub(s.last))
	}
	s.last = now
}

// end looks at the whole once the connection has ended.
func (s *streamed) end() {
	res := s.res
	if res.Broken == nil && !s.over && res.Told == nil {
		var e *llm.Error
		s.events, e = s.reader.End(s.events[:0])
		s.add()
		if e != nil {
			res.bad("the stream ends early: %v", e)
		}
	}
	s.check.end()
	res.Pieces = s.pieces
	if s.begun {
		res.Answer = s.folder.Answer()
	}
	res.Complete = s.check.complete() && res.Broken == nil && res.Told == nil
}

// Text returns the visible text of an answer's first choice.
func Text(a *llm.Answer) string {
	if a == nil || len(a.Choices) == 0 {
		return ""
	}
	var b strings.Builder
	for i := range a.Choices[0].Parts {
		if p := &a.Choices[0].Parts[i]; p.Kind == llm.PartText {
			b.WriteString(p.Text)
		}
	}
	return b.String()
}

// Same returns how got differs from want in what the model said: text, refusals, tool calls by name and arguments, and why each choice ended.
// It is empty if it does not.
func Same(want, got *llm.Answer) string {
	if want == nil || got == nil {
		return "there is no answer"
	}
	if len(want.Choices) != len(got.Choices) {
		return fmt.Sprintf("%d choices, want %d", len(got.Choices), len(want.Choices))
	}
	for i := range want.Choices {
		w, g := content(&want.Choices[i]), content(&got.Choices[i])
		if len(w) != len(g) {
			return fmt.Sprintf("choice %d has %d parts, want %d", i, len(g), len(w))
		}
		for j := range w {
			if w[j] != g[j] {
				return fmt.Sprintf("choice %d, part %d: %s", i, j, Differ(w[j], g[j]))
			}
		}
		if finishOf(&want.Choices[i]) != finishOf(&got.Choices[i]) {
			return fmt.Sprintf("choice %d ends by %q, want %q", i, got.Choices[i].Reason, want.Choices[i].Reason)
		}
	}
	return ""
}

// finishOf returns why a choice ended, as far as all dialects tell it apart: Gemini and Responses have no word for tool calls.
func finishOf(c *llm.Choice) llm.Finish {
	if c.Finish == llm.FinishTools {
		return llm.FinishStop
	}
	return c.Finish
}

// content returns the parts of a choice in words that can be compared. Texts in a row are one.
func content(c *llm.Choice) []string {
	var all []string
	text := -1 // index of the text that goes on
	for i := range c.Parts {
		p := &c.Parts[i]
		switch p.Kind {
		case llm.PartText, llm.PartRefusal:
			if text >= 0 {
				all[text] += p.Text
				continue
			}
			text = len(all)
			all = append(all, p.Text)
			continue
		case llm.PartToolCall:
			all = append(all, p.Name+"("+canonical(p.Text)+")")
		}
		text = -1
	}
	return all
}

// canonical returns JSON in one spelling; other text as it is.
func canonical(s string) string {
	var v any
	if json.Unmarshal([]byte(s), &v) != nil {
		return s
	}
	b, err := json.Marshal(v)
	if err != nil {
		return s
	}
	return string(b)
}

// Differ says where two texts part.
func Differ(want, got string) string {
	n := 0
	for n < len(want) && n < len(got) && want[n] == got[n] {
		n++
	}
	return fmt.Sprintf("%d bytes, want %d; they part at %d: %.40q, want %.40q", len(got), len(want), n, got[n:], want[n:])
}
