package console

import (
	"net/http"
	"strconv"
	"time"
)

// mostShown bounds the rows of one list of the queue's view.
const mostShown = 1000

// Queue is the answer of GET /admin/v1/queue: who waits, for what, and what became of those that got no place.
type Queue struct {
	Calls    int   `json:"calls"` // that wait, in all classes
	MaxCalls int   `json:"max_calls"`
	Bytes    int64 `json:"bytes"` // of their requests
	MaxBytes int64 `json:"max_bytes,omitempty"`
	BackOff  int   `json:"back_off"` // calls that pause before a retry; they are not among those that wait

	Classes []QueueClass  `json:"classes"`
	Keys    []QueueKey    `json:"keys"`    // those with most calls first
	Targets []QueueTarget `json:"targets"` // that calls wait for: most calls first
}

// QueueClass is one class of calls.
type QueueClass struct {
	Class    string           `json:"class"`
	Waiting  int              `json:"waiting"`
	OldestMS int64            `json:"oldest_ms"` // how long the call that came first has waited
	Started  int64            `json:"started"`   // calls that have left the queue for a target, since the process began
	Refused  map[string]int64 `json:"refused"`   // by reason, likewise
}

// QueueKey is the calls of one key in one class. The name is empty where the gateway is open.
type QueueKey struct {
	Key      string `json:"key"`
	Class    string `json:"class"`
	Waiting  int    `json:"waiting"`
	Bytes    int64  `json:"bytes"`
	Weight   int    `json:"weight"`
	OldestMS int64  `json:"oldest_ms"`
}

// QueueTarget is a target that calls wait for. A call that may go to several counts at each.
type QueueTarget struct {
	Target          string           `json:"target"`
	Waiting         map[string]int   `json:"waiting"` // by class
	Tokens          int64            `json:"tokens"`  // that they need
	TokensPerSecond float64          `json:"tokens_per_second,omitempty"`
	ExpectedMS      map[string]int64 `json:"expected_ms"`          // that a call which comes now would wait, by class; 0 if that is not known
	BlockedMS       int64            `json:"blocked_ms,omitempty"` // until the first may start, if it waits for a quota or a pause
	Out             bool             `json:"out,omitempty"`        // of use
}

// Quota is one quota, or the limit on all calls of an account, in the answer of GET /admin/v1/quotas.
type Quota struct {
	Provider    string `json:"provider"`
	Models      string `json:"models,omitempty"`      // names and patterns, with commas; absent for the account itself
	Origin      string `json:"origin"`                // configured, or learned for one that was found out
	InFlight    int    `json:"in_flight"`             // calls under way
	Concurrency int    `json:"concurrency,omitempty"` // most of them; absent if there is no limit

	Limits       []QuotaLimit  `json:"limits,omitempty"`
	Enforced     *Enforcement  `json:"enforced,omitempty"`
	Charge       string        `json:"charge,omitempty"` // what counts: max_tokens, corrected, actual, auto
	BlockedUntil *time.Time    `json:"blocked_until,omitempty"`
	Shared       *QuotaSharing `json:"shared,omitempty"` // how replicas share it
}

// QuotaLimit is one limit of a quota.
type QuotaLimit struct {
	Dimension string `json:"dimension"` // requests, tokens, input_tokens, output_tokens
	Per       string `json:"per"`       // second, minute, hour, day
	Limit     int64  `json:"limit"`
	Used      int64  `json:"used"` // or reserved by calls under way
	Left      int64  `json:"left"` // that may be used at once
	Burst     int64  `json:"burst"`
	Held      int64  `json:"held,omitempty"` // back from bulk, for interactive calls
}

// Enforcement is how a provider enforces the limits of a minute, as far as it is known.
type Enforcement struct {
	Mode          string  `json:"mode"`   // seconds, bucket, fixed, sliding, unknown
	Origin        string  `json:"origin"` // configured or learned
	WindowSeconds float64 `json:"window_seconds,omitempty"`
	BurstSeconds  float64 `json:"burst_seconds,omitempty"` // how much of its rate a full bucket holds
}

// QuotaSharing is how a quota is shared among replicas.
type QuotaSharing struct {
	Following bool    `json:"following"` // spends what it is granted
	Fraction  float64 `json:"fraction"`  // of the limits, that is this replica's while it is not
}

// QuotaTarget is what is known of one target's calls.
type QuotaTarget struct {
	Target   string `json:"target"`
	InFlight int    `json:"in_flight"`
	Limit    int    `json:"limit,omitempty"`          // of calls at once, as configured
	Adaptive int    `json:"adaptive_limit,omitempty"` // the same, as found out

	Estimate *Estimate `json:"estimate,omitempty"`
}

// Estimate is what has been learned of the length of a target's calls.
type Estimate struct {
	InputRatio float64 `json:"input_ratio"` // tokens of input for each that the request's size suggests
	Output     float64 `json:"output"`      // tokens of one answer, on average
	Calls      int     `json:"calls"`       // that the average is of
}

// Quotas is the answer of GET /admin/v1/quotas.
type Quotas struct {
	Quotas  []Quota       `json:"quotas"`
	Targets []QuotaTarget `json:"targets"`
}

func (c *Console) queue(w http.ResponseWriter, r *http.Request) {
	most := 20
	for name, values := range r.URL.Query() {
		n, err := strconv.Atoi(values[0])
		if name != "top" || err != nil || n < 1 || n > mostShown {
			writeError(w, http.StatusBadRequest, "bad_request", "the parameter of "+r.URL.Path+" is top, a number from 1 to "+strconv.Itoa(mostShown))
			return
		}
		most = n
	}
	q := c.o.Queue(most)
	if q.Classes == nil {
		q.Classes = []QueueClass{}
	}
	if q.Keys == nil {
		q.Keys = []QueueKey{}
	}
	if q.Targets == nil {
		q.Targets = []QueueTarget{}
	}
	writeJSON(w, http.StatusOK, q)
}

func (c *Console) quotas(w http.ResponseWriter, _ *http.Request) {
	q := c.o.Quotas()
	if q.Quotas == nil {
		q.Quotas = []Quota{}
	}
	if q.Targets == nil {
		q.Targets = []QuotaTarget{}
	}
	writeJSON(w, http.StatusOK, q)
}
