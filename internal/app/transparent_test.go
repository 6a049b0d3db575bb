package app

import (
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"strings"
	"testing"
	"time"
)

// record is what a provider got, and what it is to answer.
type record struct {
	kind string // content type of the answer
	body string // of the answer
	cuts []int  // offsets in body after which it is flushed

	got chan string // body that the provider got; one for each call
}

// answer is the script of a record.
func (rec *record) answer(w http.ResponseWriter, r *http.Request) {
	b, err := io.ReadAll(r.Body)
	if err != nil {
		b = []byte(err.Error())
	}
	select {
	case rec.got <- string(b):
	default: // Sluice has tried again, so that the test fails anyhow
	}
	w.Header().Set("Content-Type", rec.kind)
	from := 0
	for _, cut := range rec.cuts {
		send(w, rec.body[from:cut])
		from = cut
	}
	_, _ = io.WriteString(w, rec.body[from:]) // seen by the client, if it fails
}

// line is one way to a provider, used for one call after another.
type line struct {
	t    *testing.T
	rec  *record
	url  string
	http *http.Client
}

// newLine makes a line through a gateway.
func newLine(t *testing.T, g *gate, p *provider, path string) *line {
	rec := &record{kind: sse, got: make(chan string, 1)}
	return &line{t: t, rec: rec, url: g.url + path + p.script(rec.answer), http: g.client}
}

// call sends a body and returns what the provider got and what came back.
func (l *line) call(body string) (sent, back string) {
	l.t.Helper()
	resp, err := l.http.Post(l.url, jsonBody, strings.NewReader(body))
	if err != nil {
		l.t.Fatal(err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode != 200 {
		l.t.Fatalf("status %d, %v: %s", resp.StatusCode, err, b)
	}
	return <-l.rec.got, string(b)
}

// versions takes a text with marks apart. «a|b» is a where it begins its way and b where it ends; ‹a|b› is the same, but
// only for a client that has not asked for usage.
func versions(text string) (from, asked, unasked string) {
	cut := func(text, open, end string) (left, right string) {
		for {
			before, rest, ok := strings.Cut(text, open)
			left, right = left+before, right+before
			if !ok {
				return left, right
			}
			mark, after, ok := strings.Cut(rest, end)
			i := strings.LastIndex(mark, "|")
			if !ok || i < 0 {
				panic("no mark: " + rest)
			}
			left, right, text = left+mark[:i], right+mark[i+1:], after
		}
	}
	stays, goes := cut(text, "‹", "›")
	from, asked = cut(stays, "«", "»")
	_, unasked = cut(goes, "«", "»")
	return from, asked, unasked
}

const tlsAccounts = `providers:
  p: {api: openai, base_url: "%[1]s/v1", api_key: provider-secret, models: [m], http2: "off"}
  plain: {api: openai, base_url: "%[1]s/v1", stream_usage: "off", http2: "off"}
`

func startTLS(t *testing.T) (*gate, *provider) {
	p := newProvider(t, true)
	return start(t, fmt.Sprintf(tlsAccounts, p.URL)+"supervise: \"off\"\nguards: {repetition: \"off\"}\n"), p
}

func TestRequestBytes(t *testing.T) {
	t.Parallel()
	g, p := startTLS(t)
	for _, op := range []string{"/chat/completions", "/completions", "/embeddings"} {
		t.Run(op, func(t *testing.T) {
			t.Parallel()
			answer := whole
			if op == "/embeddings" {
				answer = `{"object":"list","data":[{"index":0,"embedding":[1e0,-0]}],"model":"m"}`
			}
			stream, once := newLine(t, g, p, op), newLine(t, g, p, op)
			stream.rec.body, once.rec.kind, once.rec.body = hello+stopped+done, jsonBody, answer
			f := func(name, from, want string, streamed bool) {
				t.Helper()
				l := once
				if streamed {
					l = stream
				}
				if got, _ := l.call(from); got != want {
					t.Errorf("%s\nclient sent  %.2000q\nprovider got %.2000q\nwant         %.2000q", name, from, got, want)
				}
			}
			for _, c := range requestCorpus() {
				if op == "/embeddings" && strings.Contains(c.text, `"stream`) {
					continue // has no streams
				}
				from, want, _ := versions(c.text)
				f(c.name, from, want, strings.HasPrefix(c.name, "stream"))
			}
			rnd := rand.New(rand.NewPCG(1, 2))
			for i := range 300 {
				streamed := op != "/embeddings" && rnd.IntN(2) == 0
				from, want := generateRequest(rnd, streamed)
				f(fmt.Sprint("generated ", i), from, want, streamed)
			}
		})
	}
}

// TestRequestBytesWithoutUsage sends through an account that must not be asked for usage: nothing but the name differs.
func TestRequestBytesWithoutUsage(t *testing.T) {
	t.Parallel()
	g, p := startTLS(t)
	l := newLine(t, g, p, "/chat/completions")
	usage := `data: {"choices":[],"usage":{"prompt_tokens":1,"completion_tokens":1}}` + "\n\n"
	l.rec.body = strings.Replace(hello, `"id"`, `"usage":null,"id"`, 1) + stopped + usage + done
	for _, c := range requestCorpus() {
		// Inside of a member that Sluice does not read, nothing may change.
		inner, _, _ := versions(c.text)
		from := `{"model":"plain/m","stream" : true,"x":` + inner + `}`
		want := `{"model":"m","stream" : true,"x":` + inner + `}`
		got, back := l.call(from)
		if got != want {
			t.Errorf("%s\nprovider got %.2000q\nwant         %.2000q", c.name, got, want)
		}
		if back != l.rec.body {
			t.Errorf("%s\nclient got %.2000q\nwant       %.2000q", c.name, back, l.rec.body)
		}
	}
}

func TestAnswerBytes(t *testing.T) {
	t.Parallel()
	g, p := startTLS(t)
	for _, op := range []string{"/chat/completions", "/completions", "/embeddings"} {
		t.Run(op, func(t *testing.T) {
			t.Parallel()
			l := newLine(t, g, p, op)
			l.rec.kind = jsonBody
			check := func(name, ask, answer string, cuts ...int) {
				t.Helper()
				l.rec.body, l.rec.cuts = answer, cuts
				if _, back := l.call(ask); back != answer {
					t.Errorf("%s cut at %v\nclient got %.2000q\nwant       %.2000q", name, cuts, back, answer)
				}
			}
			for _, c := range answerCorpus(op) {
				check(c.name, askWhole, c.text)
				check(c.name, `{"model":"p/m"}`, c.text)
				if len(c.text) > 2000 {
					check(c.name, askWhole, c.text, len(c.text)/3, len(c.text)/2)
					continue
				}
				check(c.name, askWhole, c.text, each(len(c.text))...)
				for at := 1; at < len(c.text); at++ {
					check(c.name, askWhole, c.text, at)
				}
			}
		})
	}
}

// each returns every offset inside of n bytes.
func each(n int) []int {
	cuts := make([]int, 0, n)
	for i := 1; i < n; i++ {
		cuts = append(cuts, i)
	}
	return cuts
}

// TestStreamBytes has a provider's stream split at every offset into two writes, and into single bytes.
func TestStreamBytes(t *testing.T) {
	t.Parallel()
	g, p := startTLS(t)
	begin := time.Now()
	for _, op := range []string{"/chat/completions", "/completions"} {
		for _, c := range streamCorpus(op) {
			t.Run(op+"/"+c.name, func(t *testing.T) {
				t.Parallel()
				checkStream(newLine(t, g, p, op), c.text)
			})
		}
	}
	t.Cleanup(func() { t.Logf("%d calls in %v", g.ledger.Stats().Written, time.Since(begin)) })
}

// checkStream sends one stream in all its splits to a client that asked for usage, and to one that did not.
func checkStream(l *line, text string) {
	from, asked, unasked := versions(text)
	n := strings.Count(from, `"index":1`)
	l.rec.body = from
	check := func(ask, want string, cuts ...int) {
		l.t.Helper()
		l.rec.cuts = cuts
		if _, back := l.call(ask); back != want {
			l.t.Errorf("asked with %s\ncut at %v\nprovider sent %.3000q\nclient got    %.3000q\nwant          %.3000q", ask, cuts, from, back, want)
		}
	}
	choices := ""
	if n > 0 {
		choices = `,"n":2`
	}
	wants := `{"model":"m","stream":true,"stream_options":{"include_usage":true}` + choices + `}`
	plain := `{"model":"p/m","stream":true` + choices + `}`
	offsets := each(len(from))
	if len(from) > 2000 {
		offsets = []int{1, 2, len(from) / 3, len(from) / 2, len(from) - 2, len(from) - 1}
	}
	check(wants, asked)
	check(wants, asked, offsets...)
	check(plain, unasked)
	check(plain, unasked, offsets...)
	for _, at := range offsets {
		check(plain, unasked, at)
		if !l.t.Failed() && at%asOften() == 0 {
			check(wants, asked, at)
		}
		if l.t.Failed() {
			return // one report of a stream is enough
		}
	}
}

// asOften returns at how many of the offsets the client that asked for usage is tried: at all of them, or at every sixth one
// with the race detector, which makes a call several times as long.
func asOften() int {
	if raceEnabled {
		return 6
	}
	return 1
}

// TestStreamBytesHTTP2 sends the streams over HTTP/2, whole and in two.
func TestStreamBytesHTTP2(t *testing.T) {
	t.Parallel()
	p := serve(t, true, true)
	g := start(t, fmt.Sprintf(strings.ReplaceAll(tlsAccounts, `, http2: "off"`, ""), p.URL)+"guards: {repetition: \"off\"}\n")
	l := newLine(t, g, p, "/chat/completions")
	for _, c := range streamCorpus("/chat/completions") {
		from, _, want := versions(c.text)
		choices := ""
		if strings.Contains(from, `"index":1`) {
			choices = `,"n":2`
		}
		for _, cut := range []int{0, len(from) / 2, len(from) - 1} {
			l.rec.body, l.rec.cuts = from, []int{cut}
			if _, back := l.call(`{"model":"m","stream":true` + choices + `}`); back != want {
				t.Errorf("%s\nclient got %.3000q\nwant       %.3000q", c.name, back, want)
			}
		}
	}
	if n := p.proto.Load(); n != 2 {
		t.Errorf("the provider was spoken to in HTTP/%d, want 2", n)
	}
}

// TestRequestedName has answers carry the name that the client asked for: nothing else may change.
func TestRequestedName(t *testing.T) {
	t.Parallel()
	p := newProvider(t, true)
	g := start(t, fmt.Sprintf(tlsAccounts, p.URL)+"response_model: requested\nmodels:\n  \"al\\\"ias\": {targets: [p/m]}\n")
	l := newLine(t, g, p, "/chat/completions")
	swap := func(s string) string { return strings.ReplaceAll(s, `"model":"m-0613"`, `"model":"al\"ias"`) }
	stream := `data: {"model":"m-0613","x":{"model":"m-0613x"},"choices":[{"index":0,"delta":{"content":"\u00e9"}}]}` + "\r\n\r\n" +
		`data: {"choices":[{"index":0,"delta":{},"finish_reason":"stop"}],  "model":"m-0613"}` + "\n\n" + done
	for at := range len(stream) {
		l.rec.body, l.rec.cuts = stream, []int{at}
		sent, back := l.call(`{"model":"al\"ias","stream":true,"stream_options":{"include_usage":true}}`)
		if want := swap(stream); back != want || sent != `{"model":"m","stream":true,"stream_options":{"include_usage":true}}` {
			t.Fatalf("cut at %d: provider got %q, client got %q, want %q", at, sent, back, want)
		}
	}
	l.rec.kind, l.rec.body, l.rec.cuts = jsonBody, strings.Replace(whole, `"id"`, `"model":"m-0613" , "id"`, 1), nil
	if _, back := l.call(`{"model":"al\"ias"}`); back != swap(l.rec.body) {
		t.Errorf("client got %q", back)
	}
}

func TestVersions(t *testing.T) {
	t.Parallel()
	from, asked, unasked := versions("a«b|c»d‹e|f›g‹«h|i»|›j")
	if got := fmt.Sprint(from, " ", asked, " ", unasked); got != "abdeghj acdegij acdfgj" {
		t.Error(got)
	}
}
