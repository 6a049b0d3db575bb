package e2e

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws/protocol/eventstream"

	"sluice/e2e/harness"
)

// TestFramesByTheAWSEncoder has the encoder of AWS's own SDK write a stream of Bedrock's, and reads it through the gateway as an
// OpenAI client does.
func TestFramesByTheAWSEncoder(t *testing.T) {
	t.Parallel()
	var path, auth string
	bedrock := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		path, auth = r.URL.EscapedPath(), r.Header.Get("Authorization")
		w.Header().Set("Content-Type", "application/vnd.amazon.eventstream")
		encoder := eventstream.NewEncoder()
		for _, e := range [][2]string{
			{"messageStart", `{"role":"assistant"}`},
			{"contentBlockDelta", `{"contentBlockIndex":0,"delta":{"text":"It rai"}}`},
			{"contentBlockDelta", `{"contentBlockIndex":0,"delta":{"text":"ns."}}`},
			{"contentBlockStop", `{"contentBlockIndex":0}`},
			{"messageStop", `{"stopReason":"end_turn"}`},
			{"metadata", `{"usage":{"inputTokens":7,"outputTokens":3,"totalTokens":10},"metrics":{"latencyMs":5}}`},
		} {
			m := eventstream.Message{Payload: []byte(e[1])}
			m.Headers.Set(":message-type", eventstream.StringValue("event"))
			m.Headers.Set(":event-type", eventstream.StringValue(e[0]))
			m.Headers.Set(":content-type", eventstream.StringValue("application/json"))
			if err := encoder.Encode(w, m); err != nil {
				t.Error(err)
			}
		}
	}))
	defer bedrock.Close()
	g := harness.StartGateway(t, fmt.Sprintf(`
providers:
  aws: {api: bedrock, base_url: %q, region: eu-west-1, access_key: AKIDEXAMPLE, secret_key: secret}
`, bedrock.URL))
	got := g.Post(t, "/v1/chat/completions", `{"model":"aws/eu.amazon.nova-lite-v1:0","stream":true,"stream_options":{"include_usage":true},"messages":[{"role":"user","content":"How is the weather?"}]}`)
	for _, part := range []string{`"content":"It rai"`, `"content":"ns."`, `"finish_reason":"stop"`, `"prompt_tokens":7`, `"completion_tokens":3`, "data: [DONE]"} {
		if !strings.Contains(got.Body, part) {
			t.Errorf("the client got %s, want %s in it", got.Body, part)
		}
	}
	if path != "/model/eu.amazon.nova-lite-v1%3A0/converse-stream" {
		t.Errorf("Bedrock was asked at %s", path)
	}
	if !strings.HasPrefix(auth, "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/") || !strings.Contains(auth, "/eu-west-1/bedrock/aws4_request") {
		t.Errorf("the request is signed with %q", auth)
	}
}

// TestFramesByTheAWSDecoder has the decoder of AWS's own SDK read the simulator's streams, which all tests of Bedrock rest on.
func TestFramesByTheAWSDecoder(t *testing.T) {
	t.Parallel()
	sim := harness.StartSim(t, "")
	resp, err := http.Post(sim.Root()+"/model/sim-fast/converse-stream", "application/json",
		strings.NewReader(`{"messages":[{"role":"user","content":[{"text":"hello [[sim:tokens=5]]"}]}]}`))
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	var names []string
	text := ""
	decoder := eventstream.NewDecoder()
	for {
		m, err := decoder.Decode(resp.Body, nil)
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatalf("after %v: %v", names, err)
		}
		name := m.Headers.Get(":event-type").String()
		names = append(names, name)
		var event struct{ Delta struct{ Text string } }
		if err := json.NewDecoder(bytes.NewReader(m.Payload)).Decode(&event); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		text += event.Delta.Text
	}
	order := strings.Join(names, " ")
	if !strings.HasPrefix(order, "messageStart ") || !strings.HasSuffix(order, " messageStop metadata") || len(strings.Fields(text)) == 0 {
		t.Errorf("events %s, text %q", order, text)
	}
}
