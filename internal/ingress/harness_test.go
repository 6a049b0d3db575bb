package ingress

import (
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"go.uber.org/goleak"

	"sluice/internal/auth"
	"sluice/internal/dialect"
	"sluice/internal/gateway"
	"sluice/internal/llm"
	"sluice/internal/model"
	"sluice/internal/obs"
	"sluice/internal/route"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const (
	keyA = "sk-sluice-test-key-a"
	body = `{"model":"smart","messages":[{"role":"user","content":"hello"}]}`
)

// calls is a Caller that keeps what it was asked and answers by answer, or with an empty object.
type calls struct {
	got    []*gateway.Exchange
	answer func(ctx context.Context, x *gateway.Exchange, w gateway.Reply)
}

func (c *calls) Do(ctx context.Context, x *gateway.Exchange, w gateway.Reply) {
	c.got = append(c.got, x)
	if c.answer != nil {
		c.answer(ctx, x, w)
		return
	}
	w.Whole(http.StatusOK, []byte("{}"))
}

// say returns a handler that tells its name.
func say(name string) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { _, _ = io.WriteString(w, name) })
}

// server makes one for the keys given; none makes it open.
func server(t testing.TB, c *calls, change func(*Config), keys ...auth.KeyConfig) *Server {
	t.Helper()
	log := slog.New(slog.DiscardHandler)
	d, err := auth.NewDirectory(t.Context(), auth.Config{Keys: keys}, nil, true, log)
	if err != nil {
		t.Fatal(err)
	}
	table, err := route.NewTable(
		map[string]route.Model{"smart": {Targets: []route.TargetRef{{Target: "openai/gpt-4o", Weight: 1}}}},
		[]route.Provider{{Name: "openai", API: llm.OpenAI, Models: []string{"gpt-4o", "gpt-4.1"}}, {Name: "local", API: llm.OpenAI, Models: []string{"llama"}}},
		model.Embedded())
	if err != nil {
		t.Fatal(err)
	}
	var conf Config
	conf.SetDefaults()
	if change != nil {
		change(&conf)
	}
	return New(conf, Options{
		Calls: c, Keys: d, Metrics: obs.NewMetrics(obs.MetricsOptions{}), Log: log, Health: say("health"), Admin: say("admin"),
		IsAdmin: func(path string) bool { return strings.HasPrefix(path, "/admin/") }, Routes: func() *route.Table { return table },
		Targets: func() []dialect.CapabilityTarget {
			return []dialect.CapabilityTarget{{Name: "local/llama", Dialect: llm.OpenAI}, {Name: "openai/gpt-4o", Dialect: llm.OpenAI}}
		},
	})
}

// team is a key for some models.
func team(models ...string) auth.KeyConfig {
	return auth.KeyConfig{Name: "team-a", Key: llm.NewSecret(keyA), Models: models}
}

// ask sends one request to s, with headers given as name and value in turn.
func ask(t testing.TB, s http.Handler, method, path, body string, header ...string) *httptest.ResponseRecorder {
	t.Helper()
	r := httptest.NewRequestWithContext(t.Context(), method, path, strings.NewReader(body))
	r.Host = "localhost:8080"
	for i := 0; i < len(header); i += 2 {
		if header[i] == "Host" {
			r.Host = header[i+1]
			continue
		}
		r.Header.Add(header[i], header[i+1])
	}
	w := httptest.NewRecorder()
	s.ServeHTTP(w, r)
	return w
}

// chat sends a chat request.
func chat(t testing.TB, s http.Handler, header ...string) *httptest.ResponseRecorder {
	t.Helper()
	return ask(t, s, http.MethodPost, "/v1/chat/completions", body, header...)
}

// told is an error as OpenAI's clients read it.
type told struct {
	Error struct {
		Message string  `json:"message"`
		Type    string  `json:"type"`
		Param   *string `json:"param"`
		Code    string  `json:"code"`
	} `json:"error"`
}

// readError returns the error of an answer, which must be in OpenAI's shape.
func readError(t testing.TB, w *httptest.ResponseRecorder) told {
	t.Helper()
	var e told
	d := json.NewDecoder(strings.NewReader(w.Body.String()))
	d.DisallowUnknownFields()
	if err := d.Decode(&e); err != nil || e.Error.Message == "" || e.Error.Type == "" || e.Error.Code == "" {
		t.Errorf("answer %d %q is no error in OpenAI's shape: %v", w.Code, w.Body, err)
	}
	if ct := w.Header().Get("Content-Type"); ct != "application/json" {
		t.Errorf("an error has Content-Type %q", ct)
	}
	return e
}

// want checks status and code of an answer; code "" is success.
func want(t testing.TB, what string, w *httptest.ResponseRecorder, status int, code string, words ...string) {
	t.Helper()
	if w.Code != status {
		t.Errorf("%s: status %d, want %d: %s", what, w.Code, status, w.Body)
	}
	if code == "" {
		return
	}
	e := readError(t, w)
	if e.Error.Code != code {
		t.Errorf("%s: code %q, want %q", what, e.Error.Code, code)
	}
	for _, word := range words {
		if !strings.Contains(e.Error.Message, word) {
			t.Errorf("%s: message %q does not say %q", what, e.Error.Message, word)
		}
	}
}
