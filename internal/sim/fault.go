package sim

import (
	"errors"
	"fmt"
	"path"
	"strconv"
	"strings"
	"time"
)

// The grammar of faults, the same in a model's name (after the first colon), in the header X-Sim-Fault and in the
// configuration:
//
//	faults = fault *( "+" fault )
//	fault  = name *( ";" key "=" value )
//
// Every fault takes first=N (only the first N requests that name it), skip=N (not the first N), p=0.3 (share of requests,
// decided by the seed) and once=1 (only the first request of a conversation); the other keys are in the table of faults.
//
//	position = N / LOW "-" HIGH / "random"

// FaultInfo describes one fault for users.
type FaultInfo struct {
	Name   string
	Params string // keys it takes, with their defaults; empty if none
	Doc    string
}

// statusParams are the keys of plain statuses.
const statusParams = "after, form=seconds|ms|date, retry=true|false"

// Faults returns every fault that the simulator knows, in the order of the documentation.
func Faults() []FaultInfo {
	var all []FaultInfo
	for _, s := range statuses {
		info := FaultInfo{
			Name: strconv.Itoa(s.status), Params: statusParams,
			Doc: fmt.Sprintf("status %d, type %s, code %s; after=SECONDS adds Retry-After, retry X-Should-Retry", s.status, s.kind, orNull(s.code)),
		}
		all = append(all, info)
	}
	for _, f := range faultRows {
		all = append(all, FaultInfo{Name: f.name, Params: f.params, Doc: f.doc})
	}
	return all
}

func orNull(s string) string {
	if s == "" {
		return "null"
	}
	return s
}

// cutForm says how a connection ends.
type cutForm string

const (
	cutRST cutForm = "rst" // TCP reset
	cutFIN cutForm = "fin" // TCP close without the end of the body
	cutEOF cutForm = "eof" // clean end of the body
	cutMid cutForm = "mid" // TCP close inside an event
)

// effects is what the faults of one request add up to. Positions are counts of output tokens; -1 means never.
type effects struct {
	names []string

	// Before the answer.
	headerDelay time.Duration
	silent      bool
	reset       cutForm // empty: none
	refusal     *refusal

	// In time.
	firstDelay, roleDelay, tokenDelay time.Duration
	stallAfter                        int64
	stallFor, stallPings              time.Duration // stallFor 0: until the client leaves

	// Ends.
	cutAfter             int64
	cutHow               cutForm
	errorAfter           int64
	errorForm            string
	malformedAfter       int64
	drawn                drawn // what of the positions is drawn once the length of the answer is known
	noDone, noUsage      bool
	noEnd                bool
	noFinish, noBlank    bool
	truncate             bool
	shortBody            bool
	wrongType, emptyBody bool
	error200             bool
	finish               string // in place of the natural finish reason

	// Framing.
	crlf, bom, pings, multiline, noSpace bool
	split                                int

	// Shape of chunks.
	usageEach, nullError, nullChoices, azure bool
	roleEach, arrayContent, noIndex, toolOne bool

	// Text.
	gibberish, unicode bool
	tokens             int64
	repeat             repetition
	badJSON            string // form; empty: none
	going              string // form in which a partial answer is gone on with; empty is the model's own
	overlap            int64  // bytes that are said twice, for going "overlap"

	// Refusals whose status or headers depend on the dialect.
	overloaded, limited bool

	drip      time.Duration // between tokens, in place of the engine's steps; 0: none
	dripAfter int64

	// Other dialects and providers.
	unnamed   bool   // events have no names
	pingFlood int    // pings at the start
	ping      string // text of the comments that pings are in OpenAI's dialect
	usageLast bool   // usage comes with the finish reason, and not in a chunk of its own
	quirk     *quirk
}

func noEffects() effects {
	return effects{overlap: 20, stallAfter: -1, cutAfter: -1, errorAfter: -1, malformedAfter: -1, ping: " SIM PROCESSING"}
}

// args are the values of a fault's keys.
type args struct {
	after         int64
	upTo          int64 // after is from after to upTo; 0: exactly after; anywhere: over the whole answer
	delay, every  time.Duration
	form          string
	tokens, bytes int64
	status        int
	first, skip   int64
	events        int64
	p             float64
	once          bool // only the first request of a conversation
	retry         string
}

// faultRow is one fault. defaults holds the values that keys have when they are not given.
type faultRow struct {
	name, params, doc string
	defaults          args
	forms             string // allowed values of form, separated by "|"; the first is the default
	apply             func(*effects, *args)
}

// fault is one parsed fault with its keys.
type fault struct {
	name string
	row  *faultRow // nil for a plain status
	args args
}

// parseFaults reads a list of faults.
func parseFaults(s string) ([]fault, error) {
	var all []fault
	for one := range strings.SplitSeq(s, "+") {
		f, err := parseFault(strings.TrimSpace(one))
		if err != nil {
			return nil, err
		}
		all = append(all, f)
	}
	return all, nil
}

func parseFault(s string) (fault, error) {
	name, rest, _ := strings.Cut(s, ";")
	for _, short := range []string{"deviate", "continue"} { // the form may stand at the name
		if as, ok := strings.CutPrefix(strings.TrimSpace(name), short+"="); ok {
			name, rest = short, strings.TrimSuffix("form="+as+";"+rest, ";")
		}
	}
	f, ok := findFault(strings.TrimSpace(name))
	if !ok {
		return fault{}, fmt.Errorf("unknown fault %q (see sluice sim --list-faults)", name)
	}
	params := statusParams
	forms := "seconds|ms|date"
	if f.row != nil {
		f.args, params, forms = f.row.defaults, f.row.params, f.row.forms
	} else {
		f.args.after = -1
	}
	if f.args.form == "" {
		f.args.form, _, _ = strings.Cut(forms, "|")
	}
	f.args.p = 1
	for rest != "" {
		var pair string
		pair, rest, _ = strings.Cut(rest, ";")
		key, value, _ := strings.Cut(strings.TrimSpace(pair), "=")
		if !takesKey(params, key) {
			return fault{}, fmt.Errorf("fault %q takes no %q (it takes %s)", f.name, key, allKeys(params))
		}
		var err error
		if key == "after" && strings.Contains(params, ranged) {
			f.args.after, f.args.upTo, err = position(value)
		} else {
			err = f.args.set(key, value, forms)
		}
		if err != nil {
			return fault{}, fmt.Errorf("fault %q: read %s: %w", f.name, key, err)
		}
	}
	return f, nil
}

func findFault(name string) (fault, bool) {
	name, _, _ = strings.Cut(name, "=") // deviate=groq
	for i := range faultRows {
		if faultRows[i].name == name {
			return fault{name: name, row: &faultRows[i]}, true
		}
	}
	number := strings.TrimPrefix(name, "error-")
	for _, s := range statuses {
		if number == strconv.Itoa(s.status) {
			return fault{name: number}, true
		}
	}
	return fault{}, false
}

func allKeys(params string) string {
	all := "first, skip, p"
	if !strings.Contains(params, "once") {
		all += ", once"
	}
	if params == "" {
		return all
	}
	return params + ", " + all
}

func takesKey(params, key string) bool {
	for one := range strings.SplitSeq(allKeys(params), ", ") {
		if name, _, _ := strings.Cut(one, "="); name == key {
			return true
		}
	}
	return false
}

func (a *args) set(key, value, forms string) (err error) {
	switch key {
	case "after":
		a.after, err = number(value, 0)
	case "tokens":
		a.tokens, err = number(value, 1)
	case "bytes":
		a.bytes, err = number(value, 1)
	case "events":
		a.events, err = number(value, 1)
	case "first":
		a.first, err = number(value, 1)
	case "skip":
		a.skip, err = number(value, 0)
	case "delay":
		a.delay, err = duration(value)
	case "every":
		a.every, err = duration(value)
	case "status":
		var n int64
		if n, err = number(value, 400); n > 599 {
			err = fmt.Errorf("%d is no error status", n)
		}
		a.status = int(n)
	case "once":
		if a.once = value == "1"; !a.once && value != "0" {
			err = fmt.Errorf("%q is neither 0 nor 1", value)
		}
	case "retry":
		if a.retry = value; value != "true" && value != "false" {
			err = fmt.Errorf("%q is neither true nor false", value)
		}
	case "p":
		if a.p, err = strconv.ParseFloat(value, 64); err == nil && !(a.p >= 0 && a.p <= 1) {
			err = fmt.Errorf("%s is not from 0 to 1", value)
		}
	case "form":
		for one := range strings.SplitSeq(forms, "|") {
			if one == value {
				a.form = value
				return nil
			}
		}
		err = fmt.Errorf("%q is none of %s", value, forms)
	}
	return err
}

func number(s string, low int64) (int64, error) {
	n, err := strconv.ParseInt(s, 10, 32)
	if err != nil {
		return 0, fmt.Errorf("%q is no number", s)
	}
	if n < low {
		return 0, fmt.Errorf("%d is below %d", n, low)
	}
	return n, nil
}

func duration(s string) (time.Duration, error) {
	d, err := time.ParseDuration(s)
	if err != nil || d < 0 {
		return 0, errors.New(strconv.Quote(s) + " is no duration such as 1.5s")
	}
	return d, nil
}

// apply adds the fault to the effects.
func (f *fault) apply(e *effects) {
	e.names = append(e.names, f.name)
	if f.row != nil {
		f.row.apply(e, &f.args)
		return
	}
	status, _ := strconv.Atoi(f.name)
	e.refusal = refuseStatus(status, f.args.after, f.args.form)
	e.refusal.advice = f.args.retry
}

// splitModel separates a model name from the faults after its first colon. Names with a colon that is not followed by a
// fault's name are left whole, since real models have such names too. A fault with wrong keys is an error.
func splitModel(name string) (base string, faults []fault, err error) {
	base, suffix, found := strings.Cut(name, ":")
	if !found {
		return name, nil, nil
	}
	first, _, _ := strings.Cut(suffix, "+")
	first, _, _ = strings.Cut(first, ";")
	if _, ok := findFault(first); !ok {
		return name, nil, nil
	}
	faults, err = parseFaults(suffix)
	return base, faults, err
}

// matches reports whether one of the globs is the name; no globs match all.
func matches(globs []string, name string) bool {
	if len(globs) == 0 {
		return true
	}
	for _, g := range globs {
		if ok, err := path.Match(g, name); ok && err == nil {
			return true
		}
	}
	return false
}
