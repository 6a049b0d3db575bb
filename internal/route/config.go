package route

// The strategies that choose among a model's targets.
const (
	Failover = "failover" // in the order written
	Weighted = "weighted" // the first by weight, the others as fallbacks
)

// Model is a public model name and the targets behind it.
type Model struct {
	// Name is the public name: the key under models.
	Name string `yaml:"-"`
	// Strategy is failover (the targets in order) or weighted (by weight, the others as failover).
	Strategy string `yaml:"strategy" enum:"failover,weighted"`
	// Targets are the places that can answer, written provider/model, or as a mapping with a weight.
	Targets []TargetRef `yaml:"targets" required:"true" example:"[openai/gpt-4o, {target: sydney/llama-3-70b, weight: 5}]"`
}

// TargetRef names a target of a model: one model at one provider.
type TargetRef struct {
	// Target is provider/model; the provider is a key under providers.
	Target string `yaml:"target" scalar:"true" required:"true" example:"openai/gpt-4o"`
	// Weight is the target's share among the weights of its model, for strategy weighted. 0 keeps a target for failover
	// only.
	Weight int `yaml:"weight" max:"1000000"`
}

// SetDefaults fills in what a file may leave out.
func (m *Model) SetDefaults() { m.Strategy = Failover }

// SetDefaults fills in what a file may leave out.
func (t *TargetRef) SetDefaults() { t.Weight = 1 }

// Validate reports each problem with the key that it is at.
func (m *Model) Validate(fail func(key, message string)) {
	if len(m.Targets) == 0 {
		fail("targets", "must name at least one target, such as openai/gpt-4o")
		return
	}
	if m.Strategy != Weighted {
		return
	}
	for _, t := range m.Targets {
		if t.Weight > 0 {
			return
		}
	}
	fail("targets", "have no weight above 0, so that strategy weighted could pick none")
}
