package route

// The strategies that choose among a model's targets.
const (
	Failover = "failover" // in the order written
	Weighted = "weighted" // the first by weight, the others as fallbacks
)

// Model is a public model name's configuration.
type Model struct {
	Targets  []TargetRef `yaml:"targets"`
	Strategy string      `yaml:"strategy"` // Failover or Weighted; empty means Failover
}

// TargetRef names one target of a public model.
type TargetRef struct {
	Target string `yaml:"target"` // provider/model
	Weight int    `yaml:"weight"` // share of first attempts with Weighted; 0 means 1
}
