package llm_test

import (
	"errors"
	"regexp"
	"slices"
	"testing"

	"sluice/internal/llm"
)

// TestKindsAreAClosedVocabulary checks the table of kinds: each has a code of its own, an error status and a cause, and
// the causes fit the statuses.
func TestKindsAreAClosedVocabulary(t *testing.T) {
	t.Parallel()
	code := regexp.MustCompile(`^[a-z][a-z_]*[a-z]$`)
	seen := map[string]llm.Kind{}
	for _, k := range llm.Kinds() {
		if !code.MatchString(k.Code()) {
			t.Errorf("kind %d has the code %q", k, k.Code())
		}
		if other, ok := seen[k.Code()]; ok {
			t.Errorf("kinds %d and %d share the code %s", k, other, k.Code())
		}
		seen[k.Code()] = k
		if k.Status() < 400 || k.Status() > 599 {
			t.Errorf("%s has status %d", k, k.Status())
		}
		if c := k.Cause().String(); c == "unknown" {
			t.Errorf("%s has no cause", k)
		}
		if k.Retryable() && k.Cause() != llm.ByProvider {
			t.Errorf("%s is caused by %s, yet retryable", k, k.Cause())
		}
		if k.Cause() == llm.ByCaller && k.Status() >= 500 {
			t.Errorf("%s is the caller's, with status %d", k, k.Status())
		}
	}
	if len(seen) == 0 || llm.KindNone.Code() != "" || llm.KindNone.Status() != 200 || slices.Contains(llm.Kinds(), llm.KindNone) {
		t.Error("KindNone is an error")
	}
}

func TestRetryable(t *testing.T) {
	t.Parallel()
	f := func(kind llm.Kind, advice llm.Advice, want bool) {
		t.Helper()
		if got := (&llm.Error{Kind: kind, Advice: advice}).Retryable(); got != want {
			t.Errorf("%s with advice %d: %v, want %v", kind, advice, got, want)
		}
	}
	f(llm.KindServerError, llm.NoAdvice, true)
	f(llm.KindServerError, llm.DoNotRetry, true) // elsewhere
	f(llm.KindRejected, llm.NoAdvice, false)
	f(llm.KindRejected, llm.DoRetry, true)
	f(llm.KindQuotaExhausted, llm.DoRetry, true)
	f(llm.KindCanceled, llm.NoAdvice, false)
}

func TestErrorText(t *testing.T) {
	t.Parallel()
	inner := errors.New("inner")
	e := llm.Errorf(llm.KindTooLarge, "over %d bytes", 7)
	if e.Error() != "request_too_large: over 7 bytes" || errors.Unwrap(e) != nil {
		t.Errorf("%v", e)
	}
	e.Err = inner
	if e.Error() != "request_too_large: over 7 bytes: inner" || !errors.Is(e, inner) {
		t.Errorf("%v", e)
	}
}
