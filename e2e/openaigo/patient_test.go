package openaigo

import (
	"testing"

	"github.com/openai/openai-go/v3"
	"github.com/openai/openai-go/v3/option"
	"github.com/openai/openai-go/v3/responses"

	"sluice/e2e/harness"
)

// testKeepAlives has streams with keep-alives in all their pauses, without and with the ids of events.
func testKeepAlives(t *testing.T, c *client) {
	patient := c.with(harness.Key, option.WithBaseURL(c.Patient.URL+"/v1"))
	for account, dialect := range harness.Upstreams() {
		for name, more := range map[string][]option.RequestOption{"": nil, " with ids": {option.WithHeader("X-Sluice-Resumable", "true")}} {
			t.Run(dialect+name, func(t *testing.T) {
				t.Parallel()
				p := chat(account+"/"+harness.Slow, hello)
				whole, err := patient.Chat.Completions.New(t.Context(), p)
				if err != nil {
					t.Fatal(err)
				}
				got := gather(patient.Chat.Completions.NewStreaming(t.Context(), p, more...))
				if want := whole.Choices[0].Message.Content; got.err != nil || got.text[0] != want || want == "" || got.finish[0] != "stop" {
					t.Errorf("chat: streamed %q (%s), error %v; want %q", got.text[0], got.finish[0], got.err, want)
				}
				s := patient.Responses.NewStreaming(t.Context(), responses.ResponseNewParams{
					Model: p.Model, Input: responses.ResponseNewParamsInputUnion{OfString: openai.String(hello)},
				}, more...)
				defer s.Close()
				text := ""
				for s.Next() {
					if e := s.Current(); e.Type == "response.output_text.delta" {
						text += e.Delta
					}
				}
				if want := whole.Choices[0].Message.Content; s.Err() != nil || text != want {
					t.Errorf("responses: streamed %q, error %v; want %q", text, s.Err(), want)
				}
			})
		}
	}
}
