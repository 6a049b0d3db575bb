package e2e

import (
	"io"
	"net/http"
	"strings"
	"testing"

	"sluice/e2e/harness"
)

// TestKeepAlivesOnTheWire looks at the bytes that the tests of the clients have between their events: without keep-alives those would
// prove nothing.
func TestKeepAlivesOnTheWire(t *testing.T) {
	t.Parallel()
	stage := harness.StartStage(t)
	const contents = `{"contents":[{"role":"user","parts":[{"text":"hi [[sim:tokens=10]]"}]}]}`
	const messages = `"messages":[{"role":"user","content":"hi [[sim:tokens=10]]"}]`
	f := func(path, body, ping string, header ...string) {
		t.Helper()
		rq, err := http.NewRequestWithContext(t.Context(), http.MethodPost, stage.Patient.URL+path, strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		rq.Header.Set("Authorization", "Bearer "+harness.Key)
		for i := 0; i < len(header); i += 2 {
			rq.Header.Set(header[i], header[i+1])
		}
		resp, err := stage.Patient.Client.Do(rq)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		got, err := io.ReadAll(resp.Body)
		if err != nil || resp.StatusCode != http.StatusOK {
			t.Errorf("%s: %d %s, %v", path, resp.StatusCode, got, err)
		}
		if !strings.HasPrefix(string(got), strings.Repeat(ping, 3)) {
			t.Errorf("%s %v: begins with %.200q; want %q", path, header, got, ping)
		}
	}
	f("/v1/chat/completions", `{"model":"up/sim-slow","stream":true,`+messages+`}`, ": keep-alive\n\n")
	f("/v1/chat/completions", `{"model":"ant/sim-slow","stream":true,`+messages+`}`, ": keep-alive\n", "X-Stainless-Lang", "go", "X-Stainless-Package-Version", "3.42.0")
	f("/v1/responses", `{"model":"up/sim-slow","stream":true,"input":"hi"}`, ": keep-alive\n\n")
	f("/anthropic/v1/messages", `{"model":"gem/sim-slow","stream":true,"max_tokens":99,`+messages+`}`, "event: ping\ndata: {\"type\": \"ping\"}\n\n")
	f("/gemini/v1beta/models/up%2Fsim-slow:streamGenerateContent?alt=sse", contents, "\n\n")
	f("/gemini/v1beta/models/up%2Fsim-slow:streamGenerateContent", contents, "\n")
}
