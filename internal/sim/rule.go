package sim

import (
	"encoding/json"
	"errors"
	"fmt"
	"path"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"time"
)

// RuleState is a rule with what became of it.
type RuleState struct {
	FaultRule
	// Active says whether the rule applies now.
	Active bool
	// Struck counts the requests that the rule's fault struck.
	Struck int64
}

// ruleJSON is a rule on the wire: durations are texts such as "20s".
type ruleJSON struct {
	Fault       string   `json:"fault"`
	Models      []string `json:"models,omitempty"`
	Probability float64  `json:"probability,omitempty"`
	First       int      `json:"first,omitempty"`
	From        string   `json:"from,omitempty"`
	For         string   `json:"for,omitempty"`
	Every       string   `json:"every,omitempty"`
	Active      bool     `json:"active"`
	Struck      int64    `json:"struck"`
}

// MarshalJSON writes the state as GET /sim/faults gives it.
func (r RuleState) MarshalJSON() ([]byte, error) {
	text := func(d time.Duration) string {
		if d == 0 {
			return ""
		}
		return d.String()
	}
	return json.Marshal(ruleJSON{
		r.Fault, r.Models, r.Probability, r.First, text(r.From), text(r.For), text(r.Every), r.Active, r.Struck,
	})
}

// UnmarshalJSON reads the same form. Unknown members are errors.
func (r *RuleState) UnmarshalJSON(b []byte) error {
	var w ruleJSON
	d := json.NewDecoder(strings.NewReader(string(b)))
	d.DisallowUnknownFields()
	if err := d.Decode(&w); err != nil {
		return err
	}
	*r = RuleState{FaultRule: FaultRule{Fault: w.Fault, Models: w.Models, Probability: w.Probability, First: w.First}, Active: w.Active, Struck: w.Struck}
	for _, one := range []struct {
		key, text string
		into      *time.Duration
	}{{"from", w.From, &r.From}, {"for", w.For, &r.For}, {"every", w.Every, &r.Every}} {
		if one.text == "" {
			continue
		}
		var err error
		if *one.into, err = duration(one.text); err != nil {
			return fmt.Errorf("%s: %w", one.key, err)
		}
	}
	return nil
}

// ParseRule reads a rule in one line: the fault, and then keys with values, for example
//
//	down from=20s for=60s
//	cut;after=random probability=0.03 models=gpt-*,sim-fast
//
// The keys are those of FaultRule; names of models are separated by commas.
func ParseRule(line string) (FaultRule, error) {
	words := strings.Fields(line)
	if len(words) == 0 {
		return FaultRule{}, errors.New("read fault rule: it is empty")
	}
	r := FaultRule{Fault: words[0]}
	var err error
	for _, word := range words[1:] {
		key, value, found := strings.Cut(word, "=")
		switch {
		case !found:
			err = errors.New("has no value")
		case key == "models":
			r.Models = strings.Split(value, ",")
		case key == "probability":
			r.Probability, err = strconv.ParseFloat(value, 64)
		case key == "first":
			var n int64
			n, err = number(value, 0)
			r.First = int(n)
		case key == "from":
			r.From, err = duration(value)
		case key == "for":
			r.For, err = duration(value)
		case key == "every":
			r.Every, err = duration(value)
		default:
			err = errors.New("is no key of a rule (models, probability, first, from, for, every)")
		}
		if err != nil {
			return FaultRule{}, fmt.Errorf("read fault rule %q: %s: %w", line, key, err)
		}
	}
	r.Validate(func(key, message string) { err = errors.Join(err, fmt.Errorf("%s: %s", key, message)) })
	if err != nil {
		return FaultRule{}, fmt.Errorf("read fault rule %q: %w", line, err)
	}
	return r, nil
}

// Validate reports each problem with the key that it is at.
func (r *FaultRule) Validate(fail func(key, message string)) {
	if r.Fault == "" {
		fail("fault", "is missing")
	} else if faults, err := parseFaults(r.Fault); err != nil {
		fail("fault", err.Error())
	} else if how, ok := downs(faults); ok && how == "refuse" && (r.For == 0 || len(r.Models) > 0 || r.Probability > 0 || r.First > 0) {
		fail("fault", "down;form=refuse closes the port: it needs for, and takes neither models nor probability nor first")
	}
	for i, glob := range r.Models {
		if _, err := path.Match(glob, ""); err != nil || glob == "" {
			fail(fmt.Sprintf("models[%d]", i), fmt.Sprintf("%q is no name or glob", glob))
		}
	}
	if !(r.Probability >= 0 && r.Probability <= 1) {
		fail("probability", fmt.Sprintf("%v is not from 0 to 1", r.Probability))
	}
	if r.First < 0 {
		fail("first", "must not be negative")
	}
	if r.From < 0 || r.For < 0 || r.Every < 0 {
		fail("from", "must not be negative, nor must for and every")
	}
	switch {
	case r.Every > 0 && r.For == 0:
		fail("every", "needs for: how long the fault lasts each time")
	case r.Every > 0 && r.For > r.Every:
		fail("for", fmt.Sprintf("%v is longer than every, %v", r.For, r.Every))
	}
}

// activeUntil reports whether the rule applies at a time since the start of the schedule, and until when; until is 0 if it does
// so for ever.
func (r *FaultRule) activeUntil(at time.Duration) (until time.Duration, ok bool) {
	begun := r.From
	if at < begun {
		return 0, false
	}
	if r.Every > 0 {
		begun += (at - begun) / r.Every * r.Every
	}
	if r.For == 0 {
		return 0, true
	}
	return begun + r.For, at < begun+r.For
}

// downs returns the form of the fault down, if it is among the faults.
func downs(faults []fault) (form string, ok bool) {
	for i := range faults {
		if faults[i].name == "down" {
			return faults[i].args.form, true
		}
	}
	return "", false
}

// rule is one rule in force.
type rule struct {
	FaultRule
	faults []fault
	struck atomic.Int64
}

// maxRules bounds the rules in force.
const maxRules = 1000

// SetFaults puts rules in place of those in force; the schedule goes on. It fails, and changes nothing, if one has an error.
func (s *Server) SetFaults(rules []FaultRule) error {
	if len(rules) > maxRules {
		return fmt.Errorf("set faults: %d rules are more than %d", len(rules), maxRules)
	}
	made := make([]*rule, len(rules))
	var errs []error
	for i := range rules {
		rules[i].Validate(func(key, message string) { errs = append(errs, fmt.Errorf("faults[%d].%s: %s", i, key, message)) })
		made[i] = &rule{FaultRule: rules[i]}
		made[i].Models = slices.Clone(rules[i].Models)
	}
	if err := errors.Join(errs...); err != nil {
		return fmt.Errorf("set faults: %w", err)
	}
	for _, r := range made {
		r.faults, _ = parseFaults(r.Fault) // Validate has read it
	}
	s.mu.Lock()
	for key := range s.firsts {
		if strings.HasPrefix(key, "rule ") {
			delete(s.firsts, key)
		}
	}
	s.mu.Unlock()
	s.rules.Store(&made)
	return nil
}

// FaultRules returns the rules in force, in their order.
func (s *Server) FaultRules() []RuleState {
	at := s.scheduleTime(time.Now())
	rules := *s.rules.Load()
	all := make([]RuleState, len(rules))
	for i, r := range rules {
		_, active := r.activeUntil(at)
		all[i] = RuleState{FaultRule: r.FaultRule, Active: active, Struck: r.struck.Load()}
	}
	return all
}

// StartSchedule begins the schedule of the rules anew.
func (s *Server) StartSchedule() { s.epoch.Store(new(time.Now())) }

// scheduleTime is the time since the schedule began.
func (s *Server) scheduleTime(now time.Time) time.Duration { return now.Sub(*s.epoch.Load()) }

// ruled returns the faults that the first rule that applies wants for a request, and the rule.
func (s *Server) ruled(name string, now time.Time, r *rng) *rule {
	at := s.scheduleTime(now)
	for i, one := range *s.rules.Load() {
		if _, active := one.activeUntil(at); !active || !matches(one.Models, name) {
			continue
		}
		if one.Probability > 0 && r.float() >= one.Probability {
			continue
		}
		if one.First > 0 && s.count("rule "+strconv.Itoa(i)+" "+name) > int64(one.First) {
			continue
		}
		return one
	}
	return nil
}

// down returns the rule that has the whole provider down for a request of any kind; nil if it is up. Rules for some of the
// requests strike where the model is known.
func (s *Server) down(now time.Time) (r *rule, until time.Time) {
	at := s.scheduleTime(now)
	for _, one := range *s.rules.Load() {
		if _, ok := downs(one.faults); !ok || len(one.Models) > 0 || one.Probability > 0 || one.First > 0 {
			continue
		}
		if end, active := one.activeUntil(at); active {
			return one, now.Add(end - at)
		}
	}
	return nil, time.Time{}
}
