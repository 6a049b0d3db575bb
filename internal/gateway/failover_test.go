package gateway_test

import (
	"sluice/internal/route"
)

// pool returns options with the providers a, b, c..., and a model "m" that they serve in this order.
func pool(s ...*script) options {
	o := options{}
	m := route.Model{Strategy: route.Failover}
	for i, one := range s {
		name := string(rune('a' + i))
		o.providers = append(o.providers, provider{name: name, answer: one})
		m.Targets = append(m.Targets, route.TargetRef{Target: name + "/m", Weight: 1})
	}
	o.models = map[string]route.Model{"m": m}
	return o
}
