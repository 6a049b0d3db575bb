package gateway

import (
	"sluice/internal/admit"
	"sluice/internal/llm"
	"sluice/internal/pace"
	"sluice/internal/route"
)

// attemptHedged makes an attempt, and a second one next to it if the first is slow to begin and the model's settings allow it.
// The one with the first content token wins.
func (r *run) attemptHedged(_ *route.Plan, grant admit.Grant[pace.Lease]) *llm.Error {
	return r.attempt(grant)
}

// claim is called at the first content token, before anything of the answer is used. It returns an error of KindCanceled if another attempt
// has been quicker.
func (r *run) claim() *llm.Error { return nil }
