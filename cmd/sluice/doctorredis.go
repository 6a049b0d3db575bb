package main

import (
	"context"
	"fmt"
	"time"

	"sluice/internal/cluster"
	"sluice/internal/config"
	"sluice/internal/doctor"
)

// checkRedis says whether the server that replicas share limits through can be reached, and how long a round trip takes.
func checkRedis(ctx context.Context, c *config.Config) doctor.Check {
	check := doctor.Check{Name: "redis", State: doctor.OK}
	version, took, err := cluster.Ping(ctx, c.Redis)
	if err != nil {
		check.State, check.Detail = doctor.Fail, err.Error()
		check.Do = "check redis and whether the server runs; without it each replica goes by its own share of all limits"
		return check
	}
	check.Detail = fmt.Sprintf("Redis %s, a round trip takes %v", version, took.Round(10*time.Microsecond))
	return check
}
