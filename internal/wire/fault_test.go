package wire

import (
	"net/http"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"

	"sluice/internal/llm"
)

func TestDescribe(t *testing.T) {
	t.Parallel()
	mask := func(text string) string { return strings.ReplaceAll(text, "id-1", "***") }
	f := func(k llm.Kind, said, body, wantMessage, wantLog, wantBody string) {
		t.Helper()
		e := &llm.Error{Kind: k, Message: "provider answered 400", ProviderCode: "code", Param: "p"}
		Describe(e, said, []byte(body), mask)
		log := ""
		if e.Err != nil {
			log = e.Err.Error()
		}
		got := []string{e.Message, log, string(e.Body)}
		if d := cmp.Diff([]string{wantMessage, wantLog, wantBody}, got); d != "" {
			t.Errorf("%s %q %q: -want +got\n%s", k, said, body, d)
		}
		if (e.Param == "") != (k == llm.KindProviderAuth) {
			t.Errorf("%s: param is %q", k, e.Param)
		}
	}
	f(llm.KindRejected, "no", `{"a":1}`, "provider answered 400: no", "", `{"a":1}`)
	f(llm.KindRejected, "", `{"a":1}`, "provider answered 400: code", "", `{"a":1}`)
	f(llm.KindContextLength, "no, id-1", `["id-1"]`, "provider answered 400: no, ***", "no, id-1", `["***"]`)
	f(llm.KindContentFilter, "no", `{}`, "provider answered 400: no", "", `{}`)
	f(llm.KindServerError, "no", `{"a":1}`, "provider answered 400: no", "", "")
	f(llm.KindProviderAuth, "bad key sk-0123456789abcdef", `{}`, "provider refused Sluice's credentials: it answered 400", "bad key ***", "")
}

func TestRetryAfter(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 11, 1, 12, 0, 0, 0, time.UTC)
	f := func(value string, want time.Duration, wantOK bool) {
		t.Helper()
		got, ok := RetryAfter(http.Header{"Retry-After": {value}}, now)
		if got != want || ok != wantOK {
			t.Errorf("%q: %v %v, want %v %v", value, got, ok, want, wantOK)
		}
	}
	f("", 0, false)
	f("soon", 0, false)
	f("NaN", 0, false)
	f("0", 0, true)
	f("-3", 0, true)
	f(" 1.5 ", 1500*time.Millisecond, true)
	f("1e300", MaxWait, true)
	f("Inf", MaxWait, true)
	f("Sun, 01 Nov 2026 12:00:30 GMT", 30*time.Second, true)
	f("Sun, 01 Nov 2026 11:00:00 GMT", 0, true)
	f("Sun, 01 Nov 2099 12:00:00 GMT", MaxWait, true)
}

func TestMaskIDs(t *testing.T) {
	t.Parallel()
	find := func(rest string) (start, end int, ok bool) {
		if !strings.HasPrefix(rest, "id:") {
			return 0, 0, false
		}
		for end = 3; end < len(rest) && Alnum(rest[end]); {
			end++
		}
		return 3, end, end > 3
	}
	f := func(text, want string) {
		t.Helper()
		if got := MaskIDs(text, find); got != want {
			t.Errorf("%q: %q, want %q", text, got, want)
		}
	}
	f("", "")
	f("none", "none")
	f("id:abc", "id:***")
	f("a id:abc, id:d.", "a id:***, id:***.")
	f("paid:abc id:", "paid:abc id:") // within a word, and with nothing after it
	f("id:id:x", "id:***:x")
}

func TestPlain(t *testing.T) {
	t.Parallel()
	f := func(body, want string) {
		t.Helper()
		if got := Plain([]byte(body)); got != want {
			t.Errorf("%q: %q, want %q", body, got, want)
		}
	}
	f("", "empty body")
	f("no\nroute\x7f", "no route ")
	f("<html><head><TITLE> 502 Bad\tGateway </TITLE>", "an HTML page: 502 Bad Gateway")
	f("<html>", "an HTML page")
	f("<title>cut", "an HTML page")
	f(strings.Repeat("a", MaxMessage), strings.Repeat("a", MaxMessage))
	f(strings.Repeat("a", MaxMessage+1), strings.Repeat("a", MaxMessage)+"…")
	f("\xff", "\ufffd")
}

func FuzzClip(f *testing.F) {
	f.Add("añb", 2)
	f.Add("日本語", 4)
	f.Add("\x80\x80\x80\x80\x80", 4)
	f.Fuzz(func(t *testing.T, s string, n int) {
		n = max(n, 0)
		got := Clip(s, n)
		if len(got) > n && len(s) > n || !strings.HasPrefix(s, got) || len(got) < min(n, len(s))-utf8.UTFMax {
			t.Fatalf("%q at %d is %q", s, n, got)
		}
		if utf8.ValidString(s) && !utf8.ValidString(got) {
			t.Fatalf("%q at %d is %q, which cuts a rune", s, n, got)
		}
		if b := Clip([]byte(s), n); string(b) != got {
			t.Fatalf("%q at %d is %q as bytes, %q as a string", s, n, b, got)
		}
	})
}
