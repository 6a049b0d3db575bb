package workload

// Prompter makes the texts of a run's requests. Safe for concurrent use.
type Prompter struct{}

// NewPrompter returns the prompter of a run.
func NewPrompter(w *Workload, key Key) *Prompter { return &Prompter{} }

// Messages returns the messages of a slot.
func (p *Prompter) Messages(s Slot) []Message { return nil }
