package anthropicgo

import (
	"testing"

	"github.com/anthropics/anthropic-sdk-go/v2"
	"github.com/anthropics/anthropic-sdk-go/v2/option"

	"sluice/e2e/harness"
)

// testKeepAlives has streams with keep-alives in all their pauses, without and with the ids of events.
func testKeepAlives(t *testing.T, u *upstream) {
	patient := u.with(option.WithAPIKey(harness.Key), option.WithBaseURL(u.Patient.URL+"/anthropic"))
	p := ask(u.named(harness.Slow), hello)
	whole, err := patient.Messages.New(t.Context(), p)
	if err != nil {
		t.Fatal(err)
	}
	for name, more := range map[string][]option.RequestOption{"plain": nil, "with ids": {option.WithHeader("X-Sluice-Resumable", "true")}} {
		s := patient.Messages.NewStreaming(t.Context(), p, more...)
		var folded anthropic.Message
		for s.Next() {
			if err := folded.Accumulate(s.Current()); err != nil {
				t.Fatal(err)
			}
		}
		if err := s.Err(); err != nil || text(&folded) != text(whole) || text(whole) == "" || folded.StopReason != whole.StopReason {
			t.Errorf("%s: streamed %q (%s), error %v; want %q", name, text(&folded), folded.StopReason, err, text(whole))
		}
		_ = s.Close()
	}
}
