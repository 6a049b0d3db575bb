package sim

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"runtime"
	"strings"
	"testing"
	"time"

	"sluice/internal/llm"
)

func TestRecordsForAJudge(t *testing.T) {
	t.Parallel()
	cfg := quick()
	cfg.Record = 100
	s, c := start(t, cfg)
	const trace = "0af7651916cd43dd8448eb211c80319c"
	f := func(model, extra string, header ...string) RequestRecord {
		t.Helper()
		body := fmt.Sprintf(`{"model":%q,"messages":[{"role":"user","content":"hi"}]%s}`, model, extra)
		c.do("POST", "/chat/completions", body, header...)
		settled(s)
		all := s.Requests()
		return all[len(all)-1]
	}
	plain := f("sim-fast", "", "Traceparent", "00-"+trace+"-b7ad6b7169203331-01")
	if plain.Stream || plain.Call != trace || plain.Billed != plain.Usage.Input+plain.Usage.Output || plain.Billed == 0 || len(plain.Prompt) != 16 || !plain.CanceledAt.IsZero() {
		t.Errorf("plain: %+v", plain)
	}
	cut := f("sim-fast:cut;after=4", streamed, "Traceparent", "00-"+trace+"-00f067aa0ba902b7-01", "X-Sluice-Request-Id", "req_1")
	if !cut.Stream || cut.Call != "req_1" || cut.Prompt != plain.Prompt || cut.Usage.Output != 4 || cut.Faults[0] != "cut" || cut.Aborted {
		t.Errorf("cut: %+v", cut)
	}
	for _, fault := range []string{"503", "reset", "error-200", "empty", "down"} {
		if r := f("sim-fast:"+fault, streamed); r.Billed != 0 || r.Prompt != plain.Prompt || r.Faults[0] != fault {
			t.Errorf("%s: %+v", fault, r)
		}
	}
	c.do("POST", "/chat/completions", `{"model":"sim-fast","messages":[{"role":"user","content":"hi"},{"role":"assistant","content":"x"},{"role":"user","content":"Continue."}]}`)
	for _, g := range tongues() {
		g.send(c, userChat("sim-fast", " hi\n"))
	}
	settled(s)
	all := s.Requests()
	n := len(all) - len(tongues())
	if more := all[n-1]; more.Continues != plain.Prompt || more.Prompt == plain.Prompt {
		t.Errorf("continued: %+v", more)
	}
	for _, r := range all[n:] {
		if r.Prompt != plain.Prompt {
			t.Errorf("%s: prompt %s, in OpenAI's dialect %s", r.Dialect, r.Prompt, plain.Prompt)
		}
	}
	var sum int64
	for _, r := range all {
		sum += r.Billed
	}
	if st := s.Stats(); st.Usage.Billed != sum || st.Models["sim-fast"].Usage.Billed != sum {
		t.Errorf("billed %+v, records say %d", st.Usage, sum)
	}
}

func TestLightRecordsInARing(t *testing.T) {
	t.Parallel()
	cfg := quick()
	cfg.RecordLight = 10
	s, c := start(t, cfg)
	for i := range 25 {
		c.chat("sim-fast", fmt.Sprint("prompt ", i), `,"max_tokens":1`)
	}
	st := settled(s)
	all := s.Requests()
	for i, r := range all {
		if r.Seq != uint64(16+i) || r.Header != nil || r.Body != nil || r.Host != "" || r.Prompt == "" || !r.Done || r.Billed == 0 {
			t.Errorf("record %d: %+v", i, r)
		}
	}
	if len(all) != 10 || st.Requests != 25 || st.Models["sim-fast"].Usage.Output != 25 {
		t.Errorf("%d records, stats %+v", len(all), st)
	}
	page := func(query string, want ...uint64) {
		t.Helper()
		var got []RequestRecord
		decode(t, c.root().do("GET", "/sim/requests"+query, ""), &got)
		if len(got) != len(want) {
			t.Fatalf("%s: %d records, want %v", query, len(got), want)
		}
		for i := range got {
			if got[i].Seq != want[i] {
				t.Errorf("%s: record %d has number %d, want %d", query, i, got[i].Seq, want[i])
			}
		}
	}
	page("?limit=3", 16, 17, 18)
	page("?after=18&limit=2", 19, 20)
	page("?after=24", 25)
	page("?after=25")
	for _, bad := range []string{"?after=x", "?limit=-1"} {
		if a := c.root().do("GET", "/sim/requests"+bad, ""); a.status != 400 {
			t.Errorf("%s: %d", bad, a.status)
		}
	}
	s.Reset()
	page("")
	for _, bad := range []Config{{RecordLight: -1}, {RecordLight: maxLight + 1}, {RecordLight: 1, Record: 1}} {
		if _, err := New(bad); err == nil || !strings.Contains(err.Error(), "record_light") {
			t.Errorf("%+v: %v", bad, err)
		}
	}
}

// TestLeavingIsNoticedAtOnce leaves in every state that an answer can be in, over a real connection. In each the simulator would
// go on for an hour if it noticed nothing.
func TestLeavingIsNoticedAtOnce(t *testing.T) {
	t.Parallel()
	f := func(name string, cfg Config, model, extra string, begun bool) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			cfg.Record = 1
			s, c := start(t, cfg)
			ctx, cancel := context.WithCancelCause(t.Context())
			defer cancel(nil)
			r, err := http.NewRequestWithContext(ctx, http.MethodPost, c.url+"/chat/completions",
				strings.NewReader(`{"model":"`+model+`","messages":[{"role":"user","content":"hi"}]`+extra+`}`))
			if err != nil {
				t.Fatal(err)
			}
			ended := make(chan error, 1)
			first := make(chan struct{}, 1)
			go func() {
				resp, err := c.http.Do(r)
				if err == nil {
					body := bufio.NewReader(resp.Body)
					if _, err = body.ReadByte(); err == nil {
						first <- struct{}{}
						_, err = io.Copy(io.Discard, body)
					}
					_ = resp.Body.Close() // the test is about the other end
				}
				ended <- err
			}()
			if begun {
				<-first
			}
			for s.Requests() == nil || s.Requests()[0].Prompt == "" { // until the request has been read
				runtime.Gosched()
			}
			left := time.Now()
			cancel(errors.New("gone"))
			<-ended
			settled(s)
			one := s.Requests()[0]
			if !one.Aborted || one.CanceledAt.Before(left) || one.CanceledAt.Sub(left) > 10*time.Second {
				t.Errorf("noticed %v after the client left: %+v", one.CanceledAt.Sub(left), one)
			}
		})
	}
	f("silent", quick(), "sim-fast:silent", "", false)
	f("before the headers", quick(), "sim-fast:slow-headers;delay=1h", streamed, false)
	f("before the first token", quick(), "sim-fast:slow-first-token;delay=1h", "", false)
	f("role only", quick(), "sim-fast:role-delay;delay=1h", streamed, true)
	f("stall", quick(), "sim-fast:stall;after=random", streamed, true)
	f("stall with comments", quick(), "sim-fast:stall;after=3;every=10m", streamed, true)
	f("stall of a whole answer", quick(), "sim-fast:stall", "", true)
	f("drip", quick(), "sim-fast:drip;delay=1h", streamed, true)
	slow := Config{Seed: 7, Models: []ModelConfig{{Name: "sim-fast", Speed: Speed{Overhead: time.Hour}}}}
	f("prefill", slow, "sim-fast", streamed, false)
}

// TestManyPromptsOfAConversation holds the key of once: the text of the user up to white space.
func TestManyPromptsOfAConversation(t *testing.T) {
	t.Parallel()
	s := newTimed(t, quick())
	defer s.Close()
	f := func(key, first string, want bool) {
		t.Helper()
		if got := s.begun(key, first); got != want {
			t.Errorf("%s, %q: %v", key, first, got)
		}
	}
	f("a", "one two", false)
	f("a", "one two", true)
	f("a", "one two ", true)
	f("a", "one two three", true)
	f("a", "one two\nthree", true)
	f("a", "one twofold", false)
	f("a", "one", false)
	f("b", "one two", false)
	f("a", "", false)
	f("a", "  ", true)
}

// TestTextIsThatOfTheConversation holds what makes no difference to the text: joined turns, white space, the writing of tools.
func TestTextIsThatOfTheConversation(t *testing.T) {
	t.Parallel()
	hash := func(turns ...string) uint64 {
		var c conversation
		for i := 0; i+1 < len(turns); i += 2 {
			c.add(turns[i], turns[i+1])
		}
		return c.hash
	}
	same := func(a, b uint64, want bool) {
		t.Helper()
		if (a == b) != want {
			t.Errorf("%x and %x", a, b)
		}
	}
	plain := hash("system", "Be brief.", "user", "hi there")
	same(plain, hash("developer", "Be", "system", "brief.", "user", "hi\n", "user", " there"), true)
	same(plain, hash("user", "Be brief.hi there"), false)
	same(plain, hash("system", "Be brief.", "assistant", "hi there"), false)
	same(plain, hash("user", "hi there", "system", "Be brief."), false)
	_, c := start(t, quick())
	ask := userChat("sim-fast", "hello")
	ask.Tools = []llm.Function{{Name: "get_weather", Parameters: `{"type":"object","properties":{}}`}}
	one := parse(t, c.chat("sim-fast", "hello", `,"tools":[{"function":{"parameters":{"properties":{},  "type":"object"},"name":"get_weather"},"type":"function"}]`).body)
	for _, g := range tongues() {
		if got := textOf(g.parse(t, g.send(c, ask))); got != one.Choices[0].Message.Content {
			t.Errorf("%s: %q, want %q", g.dialect, got, one.Choices[0].Message.Content)
		}
	}
}
