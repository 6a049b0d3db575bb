package sim

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"

	"sluice/internal/llm"
)

// start serves a simulator on a loopback port for one test.
func start(t *testing.T, c Config) (*Server, *client) {
	t.Helper()
	s, err := New(c)
	if err != nil {
		t.Fatal(err)
	}
	url, err := s.Listen("")
	if err != nil {
		t.Fatal(err)
	}
	served := make(chan error, 1)
	go func() { served <- s.Serve() }()
	tr := &http.Transport{DisableCompression: true}
	t.Cleanup(func() {
		tr.CloseIdleConnections()
		if err := s.Close(); err != nil {
			t.Errorf("close: %v", err)
		}
		if err := <-served; err != nil {
			t.Errorf("serve: %v", err)
		}
	})
	return s, &client{t: t, url: url, http: &http.Client{Transport: tr}}
}

// quick is a simulator without latency whose time is frozen.
func quick() Config { return Config{Seed: 7, Clock: 1750000000, Latency: "none"} }

type client struct {
	t    *testing.T
	url  string
	http *http.Client
}

// answer is what a client got: err is the error of reading the body, or of the whole request if there is no status.
type answer struct {
	status int
	header http.Header
	body   string
	err    error
}

func (c *client) do(method, path, body string, header ...string) answer {
	c.t.Helper()
	req, err := http.NewRequestWithContext(c.t.Context(), method, c.url+path, strings.NewReader(body))
	if err != nil {
		c.t.Fatal(err)
	}
	for i := 0; i+1 < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	resp, err := c.http.Do(req)
	if err != nil {
		return answer{err: err}
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	return answer{status: resp.StatusCode, header: resp.Header, body: string(b), err: err}
}

// chat sends a chat request with one message; extra are more members of the body, each beginning with a comma.
func (c *client) chat(model, prompt, extra string) answer {
	c.t.Helper()
	return c.do("POST", "/chat/completions", fmt.Sprintf(`{"model":%q,"messages":[{"role":"user","content":%q}]%s}`, model, prompt, extra))
}

const streamed = `,"stream":true,"stream_options":{"include_usage":true}`

// completion is the part of answers and chunks that tests look at.
type completion struct {
	ID, Object, Model string
	Created           int64
	Fingerprint       string `json:"system_fingerprint"`
	Choices           []struct {
		Index   int
		Text    string
		Message struct {
			Role, Content, Refusal string
			Reasoning              string          `json:"reasoning_content"`
			Tools                  []toolFragment  `json:"tool_calls"`
			Annotations            json.RawMessage `json:"annotations"`
		}
		Delta struct {
			Role      string
			Content   json.RawMessage
			Reasoning string         `json:"reasoning_content"`
			Tools     []toolFragment `json:"tool_calls"`
		}
		Logprobs *struct {
			Content []struct {
				Token string
				Top   []struct{ Token string } `json:"top_logprobs"`
			}
		}
		Finish *string `json:"finish_reason"`
	}
	Usage *usage
}

type toolFragment struct {
	Index    *int
	ID, Type string
	Function struct{ Name, Arguments string }
}

type usage struct {
	Prompt     int64 `json:"prompt_tokens"`
	Completion int64 `json:"completion_tokens"`
	Total      int64 `json:"total_tokens"`
	Details    struct {
		Cached int64 `json:"cached_tokens"`
	} `json:"prompt_tokens_details"`
	Out struct {
		Reasoning int64 `json:"reasoning_tokens"`
	} `json:"completion_tokens_details"`
}

func parse(t *testing.T, text string) completion {
	t.Helper()
	var c completion
	if err := json.Unmarshal([]byte(text), &c); err != nil {
		t.Fatalf("decode %.200q: %v", text, err)
	}
	return c
}

// events reads server-sent events by the WHATWG grammar and returns the data of each.
func events(body string) []string {
	var all []string
	var data []string
	body = strings.TrimPrefix(body, "\ufeff")
	body = strings.NewReplacer("\r\n", "\n", "\r", "\n").Replace(body)
	for line := range strings.SplitSeq(body, "\n") {
		if line == "" && data != nil {
			all = append(all, strings.Join(data, "\n"))
			data = nil
		}
		if v, ok := strings.CutPrefix(line, "data:"); ok {
			data = append(data, strings.TrimPrefix(v, " "))
		}
	}
	return all
}

// joined is a streamed answer put together again.
type joined struct {
	roles, texts, reasoning, finishes []string
	tools                             []map[int]*toolFragment
	usage                             *usage
	done                              bool
	chunks                            []completion
}

func join(t *testing.T, body string, n int) joined {
	t.Helper()
	j := joined{
		roles: make([]string, n), texts: make([]string, n), reasoning: make([]string, n), finishes: make([]string, n),
		tools: make([]map[int]*toolFragment, n),
	}
	for i := range j.tools {
		j.tools[i] = map[int]*toolFragment{}
	}
	for _, data := range events(body) {
		if data == "[DONE]" {
			j.done = true
			continue
		}
		c := parse(t, data)
		j.chunks = append(j.chunks, c)
		if c.Usage != nil {
			j.usage = c.Usage
		}
		for _, ch := range c.Choices {
			j.roles[ch.Index] += ch.Delta.Role
			j.texts[ch.Index] += ch.Text + contentText(t, ch.Delta.Content)
			j.reasoning[ch.Index] += ch.Delta.Reasoning
			if ch.Finish != nil {
				j.finishes[ch.Index] += *ch.Finish
			}
			for _, f := range ch.Delta.Tools {
				at := 0
				if f.Index != nil {
					at = *f.Index
				}
				if j.tools[ch.Index][at] == nil {
					j.tools[ch.Index][at] = &toolFragment{}
				}
				call := j.tools[ch.Index][at]
				call.ID += f.ID
				call.Function.Name += f.Function.Name
				call.Function.Arguments += f.Function.Arguments
			}
		}
	}
	return j
}

func contentText(t *testing.T, raw json.RawMessage) string {
	t.Helper()
	if len(raw) == 0 || string(raw) == "null" {
		return ""
	}
	var s string
	if json.Unmarshal(raw, &s) == nil {
		return s
	}
	var parts []struct{ Text string }
	if err := json.Unmarshal(raw, &parts); err != nil {
		t.Fatalf("content %s: %v", raw, err)
	}
	for _, p := range parts {
		s += p.Text
	}
	return s
}

// refused checks an answer with an OpenAI error object.
func refused(t *testing.T, a answer, status int, kind, param, code string) {
	t.Helper()
	var e struct {
		Error struct {
			Message, Type string
			Param, Code   *string
		}
	}
	if a.err != nil || json.Unmarshal([]byte(a.body), &e) != nil {
		t.Fatalf("no error object: %d %s (%v)", a.status, a.body, a.err)
	}
	text := func(s *string) string {
		if s == nil {
			return ""
		}
		return *s
	}
	if a.status != status || e.Error.Type != kind || text(e.Error.Param) != param || text(e.Error.Code) != code || e.Error.Message == "" {
		t.Errorf("got %d %s, want %d type %q param %q code %q", a.status, a.body, status, kind, param, code)
	}
}

// root returns a client whose paths begin with the version.
func (c *client) root() *client {
	return &client{t: c.t, url: strings.TrimSuffix(c.url, "/v1"), http: c.http}
}

// newRequest is a request with a content type.
func newRequest(t *testing.T, kind string) *http.Request {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "/", nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Content-Type", kind)
	return r
}

func userChatOf(text string) *llm.Chat {
	c := userChat("sim-fast", text)
	return &c
}

func emptyAnswer() *llm.Answer { return &llm.Answer{} }
