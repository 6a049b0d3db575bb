package genaigo

import (
	"net/http"
	"strings"
	"testing"

	"google.golang.org/genai"

	"sluice/e2e/harness"
)

// testKeepAlives has streams with keep-alives in all their pauses. The client takes nothing but data in a stream: ids of events are an
// error to it (v1.77.0), so that it must not ask for them.
func testKeepAlives(t *testing.T, u *upstream) {
	timeout := harness.Hang
	connect := func(header http.Header) *genai.Client {
		patient, err := genai.NewClient(t.Context(), &genai.ClientConfig{
			APIKey: harness.Key, Backend: genai.BackendGeminiAPI,
			HTTPOptions: genai.HTTPOptions{BaseURL: u.Patient.URL + "/gemini", Timeout: &timeout, Headers: header},
		})
		if err != nil {
			t.Fatal(err)
		}
		return patient
	}
	read := func(patient *genai.Client) (string, error) {
		var b strings.Builder
		for chunk, err := range patient.Models.GenerateContentStream(t.Context(), u.named(harness.Slow), genai.Text(hello), nil) {
			if err != nil {
				return b.String(), err
			}
			b.WriteString(chunk.Text())
		}
		return b.String(), nil
	}
	patient := connect(nil)
	whole, err := patient.Models.GenerateContent(t.Context(), u.named(harness.Slow), genai.Text(hello), nil)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := read(patient); err != nil || got != whole.Text() || got == "" {
		t.Errorf("streamed %q, error %v; want %q", got, err, whole.Text())
	}
	if got, err := read(connect(http.Header{"X-Sluice-Resumable": {"true"}})); err == nil {
		t.Errorf("the client takes ids of events: streamed %q", got)
	}
}
