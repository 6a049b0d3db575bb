package sim

import (
	"fmt"
	"math"
	"net/http"
	"strconv"
	"strings"
	"time"

	"sluice/internal/llm"
)

// refuse makes the refusal of a request that a limit does not allow.
func (s *short) refuse(model string) *refusal {
	r := refuseStatus(http.StatusTooManyRequests, -1, "")
	b, words := s.budget, countedWords[s.budget.kind]
	per := "min"
	if b.day {
		per = "day"
	}
	r.wait, r.day, r.counts, r.limit = s.wait, b.day, b.kind, b.limit
	r.kind = strings.ReplaceAll(words.word, " ", "_")
	again := " Please try again in " + s.wait.Round(time.Millisecond).String() + "."
	switch s.quota.cfg.retry() {
	case "none":
		again = " Please try again later."
	case "seconds":
		r.form = "seconds"
		again = " Please try again in " + time.Duration(math.Ceil(s.wait.Seconds())*float64(time.Second)).String() + "."
	default:
		r.form = "both"
	}
	left := max(int64(s.left), 0)
	r.text = fmt.Sprintf("Rate limit reached for %s in organization org-sim on %s per %s (%s): Limit %d, Used %d, Requested %d.%s",
		model, words.word, per, b.name(), b.limit, max(b.limit-left, 0), int64(s.need), again)
	return r
}

// view is what headers tell of one limit.
type view struct {
	limit, left float64
	reset       time.Duration
}

// views are the limits that headers tell of, those of minutes and of days; nil ones are not told of.
type views struct {
	minute, day [countKinds]*view
}

// look returns what the headers of a request are to say: of each kind the limit of which the smallest share is left.
func look(now time.Time, quotas []*quota) *views {
	vs := &views{}
	for _, q := range quotas {
		how := q.cfg.headers()
		if how == "none" {
			continue
		}
		q.mu.Lock()
		at := q.tick(now)
		for _, b := range q.budgets {
			v := b.look(at, how)
			place := &vs.minute[b.kind]
			if b.day {
				place = &vs.day[b.kind]
			}
			if *place == nil || v.left/v.limit < (*place).left/(*place).limit {
				*place = v
			}
		}
		q.mu.Unlock()
	}
	return vs
}

func (b *budget) look(now time.Time, how string) *view {
	v := &view{limit: float64(b.limit), left: max(b.shown.left(now), 0), reset: b.shown.whole(now)}
	switch how {
	case "wrong":
		v.left, v.reset = v.limit, 0
	case "half":
		v.left, v.limit = math.Floor(v.left/2), max(math.Floor(v.limit/2), 1)
	}
	return v
}

// describe sets the headers of the limits that there are, in the words of the dialect and the provider. Google and Amazon have none.
func (x *exchange) describe(vs *views) {
	h, a := x.w.Header(), x.ask
	quirk := ""
	if x.fx.quirk != nil {
		quirk = x.fx.quirk.name
	}
	switch {
	case a.host == onBedrock || a.host == onVertex || a.dialect == llm.Gemini:
	case a.dialect == llm.Anthropic:
		now := x.s.now()
		tokens := vs.minute[countTokens]
		vs.minute[countRequests].anthropic(h, now, "Requests", 1)
		vs.tightest().anthropic(h, now, "Tokens", 1000)
		vs.minute[countInput].or(tokens).anthropic(h, now, "Input-Tokens", 1000)
		vs.minute[countOutput].or(tokens).anthropic(h, now, "Output-Tokens", 1000)
	case quirk == "groq": // its limit of requests is a day's (PROVIDERS.md section 4.1, 2026-11-20)
		vs.day[countRequests].or(vs.minute[countRequests]).openAI(h, "Requests", clock)
		vs.minute[countTokens].openAI(h, "Tokens", clock)
	case quirk == "cerebras":
		vs.day[countRequests].openAI(h, "Requests-Day", bare)
		vs.minute[countTokens].openAI(h, "Tokens-Minute", bare)
	case quirk == "mistral":
		vs.minute[countRequests].openAI(h, "Req-Minute", nil)
		vs.minute[countTokens].openAI(h, "Tokens-Minute", nil)
	case quirk == "fireworks":
		vs.minute[countInput].openAI(h, "Tokens-Prompt", nil)
		vs.minute[countOutput].openAI(h, "Tokens-Generated", nil)
	case a.host == onAzure: // which states no resets
		vs.minute[countRequests].openAI(h, "Requests", nil)
		vs.minute[countTokens].openAI(h, "Tokens", nil)
	default: // there are no headers for days
		vs.minute[countRequests].openAI(h, "Requests", time.Duration.String)
		vs.minute[countTokens].openAI(h, "Tokens", time.Duration.String)
	}
}

// describeAll puts headers of the quotas in the place of those that a provider's deviation has made up.
func (x *exchange) describeAll(now time.Time) {
	if len(x.quotas) == 0 {
		return
	}
	h := x.w.Header()
	for name := range h {
		if strings.HasPrefix(name, "X-Ratelimit-") && name != "X-Ratelimit-Over-Limit" {
			h.Del(name)
		}
	}
	x.describe(look(now, x.quotas))
}

// or returns another view where there is none.
func (v *view) or(other *view) *view {
	if v == nil {
		return other
	}
	return v
}

// tightest is the limit of tokens that is in the way first.
func (vs *views) tightest() *view {
	var least *view
	for _, v := range []*view{vs.minute[countTokens], vs.minute[countInput], vs.minute[countOutput]} {
		if v != nil && (least == nil || v.left < least.left) {
			least = v
		}
	}
	return least
}

// openAI states a limit in the words of OpenAI and those who do as it does. reset writes the time until all of it is there again; nil does not.
func (v *view) openAI(h http.Header, name string, reset func(time.Duration) string) {
	if v == nil {
		return
	}
	h.Set("X-Ratelimit-Limit-"+name, strconv.FormatInt(int64(v.limit), 10))
	h.Set("X-Ratelimit-Remaining-"+name, strconv.FormatInt(int64(v.left), 10))
	if reset != nil {
		h.Set("X-Ratelimit-Reset-"+name, reset(v.reset.Round(time.Millisecond)))
	}
}

// clock writes a time as Groq does: 2m59.56s.
func clock(d time.Duration) string { return d.Round(10 * time.Millisecond).String() }

// bare writes a time in seconds, as Cerebras does.
func bare(d time.Duration) string { return strconv.FormatFloat(d.Seconds(), 'f', -1, 64) }

// anthropic states a limit with the time of its reset; what is left is rounded to whole steps.
func (v *view) anthropic(h http.Header, now time.Time, name string, step float64) {
	if v == nil {
		return
	}
	prefix := "Anthropic-Ratelimit-" + name + "-"
	h.Set(prefix+"Limit", strconv.FormatInt(int64(v.limit), 10))
	h.Set(prefix+"Remaining", strconv.FormatInt(int64(math.Round(v.left/step)*step), 10))
	h.Set(prefix+"Reset", now.Add(v.reset).UTC().Format(time.RFC3339))
}
