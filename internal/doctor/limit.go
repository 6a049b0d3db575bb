package doctor

import (
	"fmt"
	"math"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"sluice/internal/llm"
)

// Limit is one rate limit that a provider states in its answers' headers.
type Limit struct {
	Unit   string        `json:"unit"` // "requests", "tokens", "input_tokens", "output_tokens"
	Amount int64         `json:"amount"`
	Left   int64         `json:"left"` // -1 if not stated
	Reset  time.Duration `json:"reset_ns,omitempty"`
	// Window is what the amount is for. It is stated in the header's name, or follows from how long the bucket takes to
	// fill, or is a minute, which is the custom.
	Window  time.Duration `json:"window_ns"`
	Guessed bool          `json:"window_guessed,omitempty"`
	Header  string        `json:"header"` // that states the amount
}

// ReadLimits reads the rate limits of an answer's headers, in whatever spelling:
//
//	x-ratelimit-limit-requests, -tokens, -project-tokens            OpenAI, Azure, Groq, Together, OpenRouter, vLLM fronts
//	x-ratelimit-limit-req-minute, -tokens-minute                    Mistral
//	x-ratelimit-limit-requests-day, -tokens-minute                  Cerebras
//	x-ratelimit-limit-tokens-prompt, -tokens-generated              Fireworks
//	x-ratelimit-limit                                               OpenRouter, API gateways
//	anthropic-ratelimit-{requests,tokens,input-tokens,…}-limit      Anthropic
//
// with remaining and reset in place of limit for the others.
func ReadLimits(h http.Header, now time.Time) []Limit {
	var all []Limit
	stated := map[string]bool{} // headers whose names say the window
	for name, values := range h {
		amountOf, sibling := limitName(name)
		if amountOf == "" || len(values) == 0 {
			continue
		}
		amount, err := strconv.ParseInt(strings.TrimSpace(values[0]), 10, 64)
		if err != nil || amount < 0 {
			continue
		}
		unit, window := unitOf(amountOf)
		l := Limit{Unit: unit, Amount: amount, Left: -1, Window: window, Header: strings.ToLower(name)}
		if n, err := strconv.ParseInt(strings.TrimSpace(h.Get(sibling("remaining"))), 10, 64); err == nil && n >= 0 {
			l.Left = n
		}
		l.Reset = resetTime(h.Get(sibling("reset")), now)
		if stated[l.Header] = l.Window != 0; !stated[l.Header] {
			l.Window, l.Guessed = l.inferWindow()
		}
		all = append(all, l)
	}
	slices.SortFunc(all, func(a, b Limit) int { return strings.Compare(a.Header, b.Header) })
	doubtEqualResets(all, stated)
	return all
}

// limitName splits the name of a header that states an amount into what it is an amount of, and the names of its siblings.
// amountOf is empty for all other headers.
func limitName(name string) (amountOf string, sibling func(kind string) string) {
	name = strings.ToLower(name)
	if rest, ok := strings.CutPrefix(name, "x-ratelimit-limit"); ok && (rest == "" || rest[0] == '-') {
		return strings.TrimPrefix(rest+"-requests", "-"), func(kind string) string { return "x-ratelimit-" + kind + rest }
	}
	if rest, ok := strings.CutPrefix(name, "anthropic-ratelimit-"); ok {
		if what, ok := strings.CutSuffix(rest, "-limit"); ok {
			return what, func(kind string) string { return "anthropic-ratelimit-" + what + "-" + kind }
		}
	}
	return "", nil
}

// unitOf reads what is limited and for how long. window is 0 if the name does not say.
func unitOf(what string) (unit string, window time.Duration) {
	has := map[string]bool{}
	for word := range strings.SplitSeq(what, "-") {
		has[word] = true
	}
	switch {
	case has["tokens"] && (has["prompt"] || has["input"]):
		unit = "input_tokens"
	case has["tokens"] && (has["generated"] || has["output"]):
		unit = "output_tokens"
	case has["tokens"]:
		unit = "tokens"
	default:
		unit = "requests"
	}
	switch {
	case has["second"]:
		window = time.Second
	case has["minute"]:
		window = time.Minute
	case has["hour"]:
		window = time.Hour
	case has["day"]:
		window = 24 * time.Hour
	}
	return unit, window
}

// inferWindow finds the window of a bucket that fills all the time: it is full again after reset, so that the missing amount
// takes reset, and the whole takes the window. A result near no usual window is not believed, and a minute is the guess.
func (l *Limit) inferWindow() (window time.Duration, guessed bool) {
	if w, ok := llm.InferWindow(l.Amount, l.Left, l.Reset); ok {
		return w, false
	}
	return time.Minute, true
}

// doubtEqualResets takes back what was inferred where limits of different things come back at the same moment: that is the end of a
// window, and says nothing of a bucket. An hour or a day that is not one would refuse calls for as long.
func doubtEqualResets(all []Limit, stated map[string]bool) {
	for i := range all {
		for j := range all {
			a, b := &all[i], &all[j]
			if a.Unit != b.Unit && a.Reset > 0 && (a.Reset-b.Reset).Abs() < 10*time.Millisecond && !stated[a.Header] && a.Window > time.Minute {
				a.Window, a.Guessed = time.Minute, true
			}
		}
	}
}

// resetTime reads a wait as providers write it: 2m59.56s, 250ms, seconds, Unix time in seconds or milliseconds, or RFC 3339.
func resetTime(s string, now time.Time) time.Duration {
	s = strings.TrimSpace(s)
	if d, err := time.ParseDuration(s); err == nil {
		return max(d, 0)
	}
	if v, err := strconv.ParseFloat(s, 64); err == nil && v >= 0 && !math.IsInf(v, 0) {
		switch {
		case v > 1e11: // milliseconds since 1970
			return max(time.UnixMilli(int64(min(v, 1e15))).Sub(now), 0)
		case v > 1e9:
			return max(time.Unix(int64(v), 0).Sub(now), 0)
		}
		return time.Duration(v * float64(time.Second))
	}
	if at, err := time.Parse(time.RFC3339, s); err == nil {
		return max(at.Sub(now), 0)
	}
	return 0
}

// String is the limit in words: "10,000 requests a minute (9,999 left)".
func (l Limit) String() string {
	left := ""
	if l.Left >= 0 {
		left = fmt.Sprintf(" (%s left)", commas(l.Left))
	}
	return l.amount() + left
}

// amount is the limit without what is left of it: "10,000 requests a minute".
func (l *Limit) amount() string {
	return fmt.Sprintf("%s %s %s", commas(l.Amount), strings.ReplaceAll(l.Unit, "_", " "), l.per())
}

func (l Limit) per() string {
	switch l.Window {
	case time.Second:
		return "a second"
	case time.Minute:
		return "a minute"
	case time.Hour:
		return "an hour"
	case 24 * time.Hour:
		return "a day"
	}
	return "in " + l.Window.String()
}

func commas(n int64) string {
	s := strconv.FormatInt(n, 10)
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}

// limitsCheck tells the limits of a target, and of those that stop it.
func (t *target) limitsCheck() Check {
	if len(t.report.Limits) == 0 {
		return okf("limits", "none stated")
	}
	var words []string
	for _, l := range t.report.Limits {
		if l.Amount == 0 {
			return Check{"limits", Warn, l.String() + ", by " + l.Header, "the model is not part of the plan: ask the provider"}
		}
		words = append(words, l.String())
	}
	detail := strings.Join(words, "; ")
	if too := excess(&t.account.Provider, t.report.Model, t.report.Limits); too != "" {
		return Check{"limits", Warn, detail, too}
	}
	return okf("limits", "%s", detail)
}
