package plan

import (
	"cmp"
	_ "embed"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
)

// The patterns of calling a model. Hybrid is a pattern for the calls that are waited for, and batches for the others.
const (
	Direct = "direct"
	Stream = "stream"
	Batch  = "batch"
	Hybrid = "hybrid"
)

//go:embed pattern.json
var patternData []byte

// Work describes a workload. What is nil or 0 is not stated, and does not count.
type Work struct {
	Interactive     *bool         // a person waits for the answer
	MaxWait         time.Duration // longest wait for one answer
	Deadline        time.Duration // when the whole job is due
	Volume          Exact         // calls a day
	Output          Exact         // tokens of an answer
	TTFT            time.Duration // time to the first token; with TPOT and Output it gives the time of an answer
	TPOT            time.Duration
	Burst           Exact // busiest minute to mean minute
	PartialUseful   *bool // what has arrived is of use before the end
	Tools           *bool // answers call tools, whose results go into the next request
	CompleteJSON    *bool // what reads the answer needs a complete JSON document
	CostSensitivity string
	Deferrable      *Exact // share of calls that may wait for a day
}

// CostSensitivities are the values of Work.CostSensitivity.
func CostSensitivities() []string { return []string{"low", "medium", "high"} }

// Matrix is the decision matrix of patterns, as data.
type Matrix struct {
	Note     string      `json:"note"`
	Criteria []Criterion `json:"criteria"`
	Guards   []Guard     `json:"guards"`
}

// Criterion is one question of the matrix.
type Criterion struct {
	Name  string `json:"name"`
	Cases []Case `json:"cases"`
}

// Case is an answer to the question and what it says about the patterns.
type Case struct {
	When     string         `json:"when"`
	Points   map[string]int `json:"points"`
	RulesOut []string       `json:"rules_out,omitempty"`
	Reason   string         `json:"reason"`
}

// Guard is a failure that comes with a pattern, and what is done about it.
type Guard struct {
	Pattern  string   `json:"pattern"`
	Failure  string   `json:"failure"`
	Answer   string   `json:"answer"`
	Client   bool     `json:"client,omitempty"` // the client has to do it; the gateway does the rest
	Settings []string `json:"settings"`         // keys of the configuration that decide about it; none: it is always done
}

// PatternMatrix returns the matrix that ships with the program.
func PatternMatrix() *Matrix {
	var m Matrix
	if err := json.Unmarshal(patternData, &m); err != nil {
		panic("BUG: plan: embedded pattern matrix: " + err.Error())
	}
	return &m
}

// Pattern is the answer.
type Pattern struct {
	Inputs    []Input  `json:"inputs"`
	Choice    string   `json:"recommendation"`
	Online    string   `json:"online,omitempty"` // of a hybrid: the pattern of the calls that are waited for
	RunnerUp  string   `json:"runner_up,omitempty"`
	Scores    []Score  `json:"scores"`
	Reasons   []Reason `json:"reasons"`
	NotStated []string `json:"not_stated,omitempty"`
	Guards    []Guard  `json:"guards"`
	Notes     []string `json:"notes,omitempty"`
}

// Score is what a pattern gets.
type Score struct {
	Pattern  string `json:"pattern"`
	Points   int    `json:"points"`
	RuledOut string `json:"ruled_out,omitempty"` // the criterion that leaves no choice
}

// Reason is what one criterion says.
type Reason struct {
	Criterion string         `json:"criterion"`
	Case      string         `json:"case"`
	Points    map[string]int `json:"points"`
	RulesOut  []string       `json:"rules_out,omitempty"`
	Text      string         `json:"reason"`
}

// Choose recommends a pattern. It fails if nothing is stated, or if what is stated contradicts itself.
func (m *Matrix) Choose(w *Work) (*Pattern, error) {
	if err := w.check(); err != nil {
		return nil, fmt.Errorf("plan pattern: %w", err)
	}
	p := &Pattern{}
	scores := map[string]*Score{Direct: {Pattern: Direct}, Stream: {Pattern: Stream}, Batch: {Pattern: Batch}}
	for _, c := range m.Criteria {
		when := w.caseOf(c.Name)
		if when == "" {
			p.NotStated = append(p.NotStated, c.Name)
			continue
		}
		i := slices.IndexFunc(c.Cases, func(k Case) bool { return k.When == when })
		if i < 0 {
			panic(fmt.Sprintf("BUG: plan: matrix has no case %q of %s", when, c.Name))
		}
		k := c.Cases[i]
		p.Reasons = append(p.Reasons, Reason{Criterion: c.Name, Case: when, Points: k.Points, RulesOut: k.RulesOut, Text: k.Reason})
		for name, n := range k.Points {
			scores[name].Points += n
		}
		for _, name := range k.RulesOut {
			if scores[name].RuledOut == "" {
				scores[name].RuledOut = c.Name
			}
		}
	}
	if len(p.Reasons) == 0 && w.Deferrable == nil {
		return nil, fmt.Errorf("plan pattern: nothing is stated about the workload")
	}
	p.rank(scores, w.Deferrable)
	p.guard(m.Guards)
	return p, nil
}

// rank orders the patterns and takes the best. Ties go to the simpler one.
func (p *Pattern) rank(scores map[string]*Score, deferrable *Exact) {
	simple := []string{Direct, Stream, Batch}
	if deferrable != nil && deferrable.Sign() == 0 && scores[Batch].RuledOut == "" {
		scores[Batch].RuledOut = "deferrable"
	}
	for _, s := range scores {
		p.Scores = append(p.Scores, *s)
	}
	slices.SortFunc(p.Scores, func(a, b Score) int {
		out := func(s Score) int { return min(len(s.RuledOut), 1) }
		return cmp.Or(out(a)-out(b), b.Points-a.Points, slices.Index(simple, a.Pattern)-slices.Index(simple, b.Pattern))
	})
	p.Choice = p.Scores[0].Pattern
	if p.Scores[1].RuledOut == "" {
		p.RunnerUp = p.Scores[1].Pattern
	}
	if deferrable == nil || deferrable.Sign() == 0 {
		return
	}
	if deferrable.Cmp(Int(1)) == 0 {
		p.Notes = append(p.Notes, "all calls may wait for a day: what rules batches out does not hold for them")
		p.Choice, p.RunnerUp = Batch, p.online()
		return
	}
	p.Online = p.online()
	p.Choice, p.RunnerUp = Hybrid, p.Online
	p.Notes = append(p.Notes, fmt.Sprintf("%s of the calls may wait for a day: they go into batches, the others are %s calls",
		percent(*deferrable), p.Online))
}

// online returns the better pattern of those that answer at once.
func (p *Pattern) online() string {
	for _, s := range p.Scores {
		if s.Pattern != Batch {
			return s.Pattern
		}
	}
	panic("BUG: plan: no pattern answers at once")
}

// guard takes over the failures that come with the choice.
func (p *Pattern) guard(all []Guard) {
	use := []string{p.Choice}
	if p.Choice == Hybrid {
		use = []string{p.Online, Batch}
	}
	for _, g := range all {
		if slices.Contains(use, g.Pattern) {
			p.Guards = append(p.Guards, g)
		}
	}
}

// check reports contradictions.
func (w *Work) check() error {
	yes := func(b *bool) bool { return b != nil && *b }
	switch {
	case w.CostSensitivity != "" && !slices.Contains(CostSensitivities(), w.CostSensitivity):
		return fmt.Errorf("cost sensitivity is %q, want %s", w.CostSensitivity, strings.Join(CostSensitivities(), ", "))
	case w.MaxWait < 0 || w.Deadline < 0 || w.TTFT < 0 || w.TPOT < 0:
		return fmt.Errorf("times must not be negative")
	case w.Deadline > 0 && w.MaxWait > w.Deadline:
		return fmt.Errorf("one answer may take %s, but the whole job is due in %s", w.MaxWait, w.Deadline)
	case w.Burst.Sign() != 0 && w.Burst.Cmp(Int(1)) < 0:
		return fmt.Errorf("the peak factor is below 1: the busiest minute has no less than the mean")
	case w.Deferrable != nil && (w.Deferrable.Sign() < 0 || w.Deferrable.Cmp(Int(1)) > 0):
		return fmt.Errorf("the deferrable share must be from 0 to 100 %%")
	case yes(w.Interactive) && w.MaxWait >= 24*time.Hour:
		return fmt.Errorf("a person who waits does not wait %s: the work is interactive or it can wait, state one", w.MaxWait)
	case yes(w.Interactive) && w.Deferrable != nil && w.Deferrable.Cmp(Int(1)) == 0:
		return fmt.Errorf("a person waits, and all calls may wait for a day: state one, or the share of each")
	}
	return nil
}

// cases says for each criterion of the matrix, by its name, which case holds; "" if the work does not say.
func (w *Work) cases() map[string]func() string {
	yesNo := func(b *bool) func() string {
		return func() string {
			switch {
			case b == nil:
				return ""
			case *b:
				return "yes"
			}
			return "no"
		}
	}
	return map[string]func() string{
		"interactive": yesNo(w.Interactive), "partial_useful": yesNo(w.PartialUseful), "tools": yesNo(w.Tools),
		"complete_json": yesNo(w.CompleteJSON), "cost_sensitivity": func() string { return w.CostSensitivity },
		"max_wait": func() string {
			return step(w.MaxWait, span{"under 2 s", 2 * time.Second}, span{"2 s to 10 min", 10 * time.Minute}, span{"10 min to 24 h", 24 * time.Hour}, span{"24 h or more", 0})
		},
		"deadline": func() string {
			return step(w.Deadline, span{"under 24 h", 24 * time.Hour}, span{"24 h to 48 h", 48 * time.Hour}, span{"48 h or more", 0})
		},
		"answer_time": func() string {
			return step(w.answerTime(), span{"under 2 s", 2 * time.Second}, span{"2 s to 60 s", time.Minute}, span{"60 s or more", 0})
		},
		"volume": func() string {
			switch {
			case w.Volume.Sign() == 0:
				return ""
			case w.Volume.Cmp(Int(1000)) < 0:
				return "under 1,000 a day"
			case w.Volume.Cmp(Int(50_000)) <= 0:
				return "1,000 to 50,000 a day"
			}
			return "over 50,000 a day"
		},
		"burstiness": func() string {
			switch {
			case w.Burst.Sign() == 0:
				return ""
			case w.Burst.Cmp(Int(2)) < 0:
				return "peak under 2 x mean"
			}
			return "peak 2 x mean or more"
		},
	}
}

// caseOf returns the case of a criterion that holds, "" if the work does not say.
func (w *Work) caseOf(criterion string) string {
	f, ok := w.cases()[criterion]
	if !ok {
		panic(fmt.Sprintf("BUG: plan: matrix asks for %q; known are %s", criterion, slices.Sorted(maps.Keys(w.cases()))))
	}
	return f()
}

// answerTime returns how long an answer takes to be written, 0 if that is unknown.
func (w *Work) answerTime() time.Duration {
	if w.Output.Sign() == 0 || w.TPOT == 0 {
		return 0
	}
	n := w.Output.Minus(Int(1)).Max(Exact{})
	total := Int(int64(w.TTFT)).Plus(Int(int64(w.TPOT)).Times(n))
	return time.Duration(total.Int64()) // stops at 292 years
}

// span is a range of times: those below its end that no earlier span has.
type span struct {
	name string
	end  time.Duration // 0 for the last one, which has no end
}

// step names the span that a time falls into, "" if the time is 0.
func step(d time.Duration, spans ...span) string {
	if d == 0 {
		return ""
	}
	for _, s := range spans {
		if d < s.end || s.end == 0 {
			return s.name
		}
	}
	return ""
}
