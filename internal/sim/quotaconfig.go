package sim

import (
	"fmt"
	"path"
	"slices"
	"strings"
	"time"
)

// The values of QuotaConfig's words, each list beginning with the default.
var (
	enforcings  = [...]string{"bucket", "fixed", "slices", "sliding"}
	charges     = [...]string{"corrected", "max_tokens", "actual"}
	headerKinds = [...]string{"true", "none", "wrong", "half"}
	retryKinds  = [...]string{"true", "seconds", "none"}
)

// maxQuotas bounds the quotas of a configuration: each request looks at all of them.
const maxQuotas = 100

// Validate reports each problem with the key that it is at.
func (c *QuotaConfig) Validate(fail func(key, message string)) {
	some := false
	for _, n := range []struct {
		key   string
		value int64
	}{
		{"rpm", c.RPM},
		{"tpm", c.TPM},
		{"input_tpm", c.InputTPM},
		{"output_tpm", c.OutputTPM},
		{"rpd", c.RPD},
		{"tpd", c.TPD},
	} {
		if n.value < 0 {
			fail(n.key, fmt.Sprintf("%d is negative", n.value))
		}
		some = some || n.value > 0
	}
	if !some {
		fail("rpm", "is missing, as are tpm, input_tpm, output_tpm, rpd and tpd: a quota needs one of them")
	}
	for i, glob := range c.Models {
		if _, err := path.Match(glob, ""); err != nil || glob == "" {
			fail(fmt.Sprintf("models[%d]", i), fmt.Sprintf("%q is no name or glob", glob))
		}
	}
	for _, w := range []struct {
		key, value string
		known      []string
	}{
		{"enforce", c.Enforce, enforcings[:]},
		{"charge", c.Charge, charges[:]},
		{"headers", c.Headers, headerKinds[:]},
		{"retry_after", c.RetryAfter, retryKinds[:]},
	} {
		if w.value != "" && !slices.Contains(w.known, w.value) {
			fail(w.key, fmt.Sprintf("%q is none of %s", w.value, strings.Join(w.known, ", ")))
		}
	}
	c.validateTimes(fail)
}

// validateTimes checks what only some ways of enforcing have.
func (c *QuotaConfig) validateTimes(fail func(key, message string)) {
	how := c.enforce()
	if c.Burst != 0 && (how != "bucket" || c.Burst < time.Second || c.Burst > time.Hour) {
		fail("burst", fmt.Sprintf("%v is not from 1s to 1h, or limits are not enforced by bucket", c.Burst))
	}
	if c.Window != 0 && (how != "fixed" && how != "sliding" || c.Window < time.Second || c.Window > time.Hour) {
		fail("window", fmt.Sprintf("%v is not from 1s to 1h, or limits are enforced neither by fixed nor by sliding", c.Window))
	}
	if c.Phase != 0 && (how != "fixed" || c.Phase < 0) {
		fail("phase", fmt.Sprintf("%v is negative, or limits are not enforced by fixed", c.Phase))
	}
}

// String says in one line what is limited and how, for example "all: RPM 9000, TPM 4200000; slices; corrected".
func (c *QuotaConfig) String() string {
	var limits []string
	for _, b := range newQuota(*c, "").budgets {
		limits = append(limits, fmt.Sprintf("%s %d", b.name(), b.limit))
	}
	return fmt.Sprintf("%s: %s; %s; %s", c.name(), strings.Join(limits, ", "), c.enforce(), c.charge())
}

// orDefault returns a word, or the first of its list if there is none.
func orDefault(word string, known []string) string {
	if word == "" {
		return known[0]
	}
	return word
}

func (c *QuotaConfig) enforce() string { return orDefault(c.Enforce, enforcings[:]) }
func (c *QuotaConfig) charge() string  { return orDefault(c.Charge, charges[:]) }
func (c *QuotaConfig) headers() string { return orDefault(c.Headers, headerKinds[:]) }
func (c *QuotaConfig) retry() string   { return orDefault(c.RetryAfter, retryKinds[:]) }

// name is what /sim/stats calls the quota.
func (c *QuotaConfig) name() string {
	switch {
	case c.Name != "":
		return c.Name
	case len(c.Models) == 0:
		return "all"
	}
	return strings.Join(c.Models, ",")
}
