package engine

import "context"

// await waits until over is closed. What is over already is so also for a context that is done:
// then, too, the answer does not depend on luck.
func await(ctx context.Context, over <-chan struct{}) error {
	select {
	case <-over:
		return nil
	default:
	}
	select {
	case <-over:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
