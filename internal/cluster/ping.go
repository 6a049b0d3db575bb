package cluster

import (
	"context"
	"fmt"
	"strings"
	"time"

	"sluice/internal/llm"
)

// Ping asks a server once for its version, and says how long the round trip took.
func Ping(ctx context.Context, url llm.Secret) (version string, took time.Duration, err error) {
	c, err := dial(url)
	if err != nil {
		return "", 0, err
	}
	defer c.close()
	ctx, cancel := context.WithTimeout(ctx, 10*askTime)
	defer cancel()
	if err := c.client.Ping(ctx).Err(); err != nil { // connects
		return "", 0, fmt.Errorf("ask redis: %w", err)
	}
	begun := time.Now()
	info, err := c.client.Info(ctx, "server").Result()
	if err != nil {
		return "", 0, fmt.Errorf("ask redis: %w", err)
	}
	took = time.Since(begun)
	version = "of an unknown version"
	for line := range strings.Lines(info) {
		if v, ok := strings.CutPrefix(strings.TrimSpace(line), "redis_version:"); ok {
			version = v
		}
	}
	return version, took, nil
}
