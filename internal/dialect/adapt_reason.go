package dialect

import (
	"slices"
	"strconv"

	"sluice/internal/llm"
	"sluice/internal/model"
)

// efforts are the levels of effort from the lowest, each with the budget in tokens that stands for it where a model knows budgets only.
// The budgets are Sluice's choice: each about twice the one below, from Claude's minimum up to what fits its models (docs/TRANSLATION.md).
var efforts = [...]struct {
	name   string
	budget int64
}{
	{"none", 0},
	{"minimal", 1024},
	{"low", 2048},
	{"medium", 8192},
	{"high", 16384},
	{"xhigh", 32768},
	{"max", 65536},
}

// rank returns the place of a level; -1 if it is none.
func rank(effort string) int {
	for i := range efforts {
		if efforts[i].name == effort {
			return i
		}
	}
	return -1
}

// effortOf returns the lowest level whose budget is not below one.
func effortOf(budget int64) string {
	for _, e := range efforts[1:] {
		if e.budget >= budget {
			return e.name
		}
	}
	return efforts[len(efforts)-1].name
}

// nearest returns the level among those that a model takes that is nearest to one, the higher of two. none is near to nothing but
// itself.
func nearest(effort string, taken []string) string {
	if taken == nil || slices.Contains(taken, effort) {
		return effort
	}
	want, best := rank(effort), ""
	if want < 0 {
		return ""
	}
	distance := func(s string) int {
		d := rank(s) - want
		if d < 0 {
			return -2*d + 1
		}
		return 2 * d
	}
	for _, t := range taken {
		if t != "none" && (best == "" || distance(t) < distance(best)) {
			best = t
		}
	}
	return best
}

// reasoning brings how much the model is to think into a form that it knows: off, adaptive, a budget, or a level of effort.
func (a *adapter) reasoning() {
	r := &a.c.Reasoning
	if r.Effort == "none" {
		r.Mode = llm.ThinkOff
	}
	if r.Summary != "" && a.can(model.ThinkingSummary) == No {
		a.minor(model.ThinkingSummary, "the target shows of its thinking what it shows")
		r.Summary = ""
	}
	if r.Mode == llm.ThinkUnset && r.Effort == "" && r.Budget == 0 {
		a.summaryAlone()
		return
	}
	a.wanted = a.asked()
	if !a.thinks() {
		if r.Mode != llm.ThinkOff {
			a.lost(a.wanted, "the model does not think before it answers")
		}
		*r = llm.Reasoning{}
		return
	}
	if r.Mode == llm.ThinkOff {
		a.thinkingOff()
		return
	}
	a.thinkingOn()
	a.forcedWithThinking()
	a.brokenLoop()
	a.roomToThink()
}

// summaryAlone settles what a client wants to see of thinking that it does not otherwise speak of.
func (a *adapter) summaryAlone() {
	r := &a.c.Reasoning
	switch {
	case r.Summary == "":
	case !a.thinks():
		a.minor(model.ThinkingSummary, "the model does not think before it answers")
		r.Summary = ""
	case a.to != llm.Anthropic:
	case r.Summary != "none" && a.t.Not.Has(model.ThinkingOff) && a.can(model.AdaptiveThinking) == Yes:
		r.Mode = llm.ThinkAdaptive // which the model does anyway, and where the display is said
	case r.Summary != "none":
		a.lost(model.ThinkingSummary, "the target shows thinking only where it is asked to think")
		r.Summary = ""
	}
}

// brokenLoop resolves what Claude's models with budgets refuse in a round of tool calls: to go on thinking where the turn that began the round
// does not begin with its thinking, which has been lost on the way or was another model's (platform.claude.com, thinking with tool
// use: "a final assistant message must start with a thinking block"). Adaptive thinking does not want it.
func (a *adapter) brokenLoop() {
	r, m := &a.c.Reasoning, a.c.Messages
	if a.to != llm.Anthropic && a.to != llm.Converse || r.Mode != llm.ThinkOn || r.Budget == 0 {
		return
	}
	i := len(m) - 1
	for i >= 0 && m[i].Role != llm.RoleTool && m[i].Role != llm.RoleAssistant {
		i--
	}
	if i < 0 || m[i].Role != llm.RoleTool {
		return
	}
	first := -1
	for ; i >= 0 && m[i].Role != llm.RoleUser; i-- {
		if m[i].Role == llm.RoleAssistant {
			first = i
		}
	}
	if first < 0 || len(m[first].Parts) == 0 || m[first].Parts[0].Kind == llm.PartThinking || m[first].Parts[0].Kind == llm.PartRedacted {
		return
	}
	a.lost(a.wanted, "the model cannot think on in a round of tool calls without the thinking that began it")
	*r = llm.Reasoning{}
}

// thinks reports whether the model can be told anything about its thinking.
func (a *adapter) thinks() bool {
	return !a.t.Not.Has(model.Effort) || !a.t.Not.Has(model.Budget) || !a.t.Not.Has(model.AdaptiveThinking)
}

// asked is the feature by which the client asks for thinking.
func (a *adapter) asked() model.Feature {
	switch r := &a.c.Reasoning; {
	case r.Effort != "":
		return model.Effort
	case r.Budget > 0:
		return model.Budget
	}
	return model.AdaptiveThinking
}

// thinkingOff switches thinking off, or as low as it goes.
func (a *adapter) thinkingOff() {
	r := &a.c.Reasoning
	summary := r.Summary
	switch {
	case a.to == llm.OpenAI || a.to == llm.Responses:
		a.effortNone(r.Effort == "none", summary)
	case a.can(model.ThinkingOff) == Yes:
		*r = llm.Reasoning{Mode: llm.ThinkOff}
	case a.to == llm.Converse && !a.t.Not.Has(model.ThinkingOff): // other makers' models than Anthropic's
		*r = llm.Reasoning{}
		a.minor(model.ThinkingOff, "it is not known how the model is told so; most do not think unless they are asked to")
	case !a.t.Not.Has(model.Effort):
		*r = llm.Reasoning{Mode: llm.ThinkOn, Effort: a.least(), Summary: summary}
		a.minor(model.ThinkingOff, "the model always thinks, so it is asked for effort "+r.Effort)
	case a.t.MinBudget > 0:
		*r = llm.Reasoning{Mode: llm.ThinkOn, Budget: a.t.MinBudget, Summary: summary}
		a.minor(model.ThinkingOff, "the model always thinks, so it is given its smallest budget")
		a.roomToThink()
	default:
		*r = llm.Reasoning{}
		a.lost(model.ThinkingOff, "the model always thinks")
	}
}

// effortNone is how OpenAI's dialects switch thinking off. Many servers of other makers, whose models do not think anyway, refuse the word:
// it is sent to those that are known to take it, or if it is the client's own.
func (a *adapter) effortNone(own bool, summary string) {
	r := &a.c.Reasoning
	switch {
	case a.t.Not.Has(model.ThinkingOff), a.t.Efforts != nil && !slices.Contains(a.t.Efforts, "none"):
		*r = llm.Reasoning{Mode: llm.ThinkOn, Effort: a.least(), Summary: summary}
		a.minor(model.ThinkingOff, "the model always thinks, so it is asked for effort "+r.Effort)
	case own, a.t.Efforts != nil, a.t.Can.Has(model.ThinkingOff):
		*r = llm.Reasoning{Mode: llm.ThinkOff, Effort: "none"}
	default:
		*r = llm.Reasoning{}
		a.minor(model.ThinkingOff, "it is not known how the model is told so; most do not think unless they are asked to")
	}
}

// least is the lowest level that the model takes.
func (a *adapter) least() string {
	for _, e := range a.t.Efforts {
		if e != "none" {
			return e
		}
	}
	return "low"
}

// thinkingOn settles one form: the client's own where the model knows it.
func (a *adapter) thinkingOn() {
	r := &a.c.Reasoning
	effort, budget, adaptive := !a.t.Not.Has(model.Effort), a.can(model.Budget) == Yes, a.can(model.AdaptiveThinking) == Yes
	if (a.to == llm.Anthropic || a.to == llm.Converse) && budget && !adaptive {
		effort = false // without adaptive thinking, effort alone does not make Claude think
	}
	switch {
	case r.Budget > 0 && budget:
		r.Mode = llm.ThinkOn
		if a.to == llm.Gemini || !effort {
			r.Effort = "" // it is the vaguer of two, and Gemini refuses both together
		}
		r.Budget = a.clampBudget(r.Budget)
	case r.Effort == "" && r.Budget > 0 && effort:
		e := nearest(effortOf(r.Budget), a.t.Efforts)
		a.minor(model.Budget, "a budget of "+strconv.FormatInt(r.Budget, 10)+" tokens is sent as effort "+e)
		r.Effort, r.Budget = e, 0
	case r.Effort != "" && !effort && budget:
		b := a.clampBudget(efforts[max(rank(r.Effort), 1)].budget)
		a.minor(model.Effort, "effort "+r.Effort+" is sent as a budget of "+strconv.FormatInt(b, 10)+" tokens")
		*r = llm.Reasoning{Mode: llm.ThinkOn, Budget: b, Summary: r.Summary}
	case r.Effort == "" && !adaptive && budget && a.to != llm.Gemini:
		// Adaptive, or on without a measure: a model that knows budgets only must be given one.
		b := a.clampBudget(efforts[rank("medium")].budget)
		a.minor(model.AdaptiveThinking, "the model is given a budget of "+strconv.FormatInt(b, 10)+" tokens")
		*r = llm.Reasoning{Mode: llm.ThinkOn, Budget: b, Summary: r.Summary}
	}
	if r.Effort != "" {
		a.settleEffort(adaptive, effort)
	}
	if r.Mode == llm.ThinkAdaptive && !adaptive {
		r.Mode = llm.ThinkOn
		if r.Effort == "" && r.Budget == 0 {
			*r = llm.Reasoning{Summary: r.Summary}
			a.note(model.AdaptiveThinking)
		}
	}
}

// settleEffort brings a level to one that the model takes.
func (a *adapter) settleEffort(adaptive, effort bool) {
	r := &a.c.Reasoning
	if !effort {
		a.lost(model.Effort, modelNot)
		r.Effort = ""
		return
	}
	taken := a.t.Efforts
	if taken == nil && (a.to == llm.Anthropic || a.to == llm.Converse) {
		taken = []string{"low", "medium", "high", "xhigh", "max"} // PROVIDERS.md 2.2: no minimal
	}
	if taken == nil && a.to == llm.Gemini {
		taken = []string{"minimal", "low", "medium", "high"} // PROVIDERS.md 3.2, ThinkingLevel
	}
	if e := nearest(r.Effort, taken); e != r.Effort {
		if e == "" {
			a.lost(model.Effort, "the target has no effort "+strconv.Quote(r.Effort))
		} else {
			a.minor(model.Effort, "effort "+r.Effort+" is sent as "+e)
		}
		r.Effort = e
	}
	if (a.to == llm.Anthropic || a.to == llm.Converse) && adaptive && r.Budget == 0 {
		r.Mode = llm.ThinkAdaptive // effort alone does not make the models before Sonnet 5 think
	} else if r.Budget == 0 || a.can(model.Budget) != Yes {
		r.Mode, r.Budget = llm.ThinkOn, 0
	}
}

// clampBudget brings a budget into the model's bounds.
func (a *adapter) clampBudget(b int64) int64 {
	out := max(b, a.t.MinBudget)
	if a.t.MaxBudget > 0 {
		out = min(out, a.t.MaxBudget)
	}
	if out != b && a.wanted == model.Budget {
		a.minor(model.Budget, "the model's bounds make it "+strconv.FormatInt(out, 10)+" tokens")
	}
	return out
}

// forcedWithThinking resolves what Claude's models with budgets refuse: a tool that must be called, and thinking before it.
func (a *adapter) forcedWithThinking() {
	r := &a.c.Reasoning
	if (a.to != llm.Anthropic && a.to != llm.Converse) || a.c.ToolChoice.Mode != llm.ToolsRequired || r.Budget == 0 || r.Mode != llm.ThinkOn {
		return
	}
	a.lost(a.wanted, "the model does not think where it must call a tool")
	*r = llm.Reasoning{}
}

// roomToThink keeps a budget below the limit on output, which counts thinking too. A fifth is left for the answer; a limit that was not
// the client's own grows.
func (a *adapter) roomToThink() {
	r, c := &a.c.Reasoning, a.c
	if r.Budget == 0 || c.MaxTokens == 0 || a.to == llm.Gemini {
		return
	}
	if i := slices.IndexFunc(a.notes, func(n Note) bool { return n.Param == nameOf(model.MaxTokens, a.from) && n.Minor }); i >= 0 && r.Budget*5 > c.MaxTokens*4 {
		grown := r.Budget + defaultOutput/2
		if a.t.MaxOutput > 0 {
			grown = min(grown, a.t.MaxOutput)
		}
		if grown > c.MaxTokens {
			c.MaxTokens = grown
			a.notes[i].Reason = "the target must have a limit, so it is sent " + strconv.FormatInt(grown, 10)
		}
	}
	if most := c.MaxTokens * 4 / 5; r.Budget > most && r.Budget >= c.MaxTokens {
		if most = max(most, a.t.MinBudget); most >= c.MaxTokens {
			a.lost(a.wanted, "the limit on output leaves no room to think: the smallest budget is "+strconv.FormatInt(a.t.MinBudget, 10))
			*r = llm.Reasoning{}
			return
		}
		a.minor(a.wanted, "the budget must be below the limit on output, so it is "+strconv.FormatInt(most, 10)+" tokens")
		r.Budget = most
	}
}
