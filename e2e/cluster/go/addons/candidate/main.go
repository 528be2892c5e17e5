// Command candidate contends for a Lease as any program does that uses client-go's leader election,
// and prints a line of JSON when it begins and when it ends to lead, with the machine's monotonic
// time. On SIGTERM it says that it ends before it releases the Lease.
package main

import (
	"context"
	"encoding/json"
	"flag"
	"os"
	"os/signal"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/clientcmd"
	"k8s.io/client-go/tools/leaderelection"
	"k8s.io/client-go/tools/leaderelection/resourcelock"
	"k8s.io/klog/v2"
)

type line struct {
	Event string  `json:"event"`
	AtMs  float64 `json:"atMs"`
}

// say prints an event with the time since the machine was started, as Node's hrtime tells it.
func say(event string) {
	var now unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_MONOTONIC, &now); err != nil {
		klog.Fatal(err)
	}
	if err := json.NewEncoder(os.Stdout).Encode(line{event, float64(now.Nano()) / 1e6}); err != nil {
		klog.Fatal(err)
	}
}

func main() {
	var kubeconfig, namespace, lease, identity string
	var duration time.Duration
	flag.StringVar(&kubeconfig, "kubeconfig", "", "how to reach the API server")
	flag.StringVar(&namespace, "namespace", "default", "of the Lease")
	flag.StringVar(&lease, "lease", "", "its name")
	flag.StringVar(&identity, "identity", "candidate", "as which it holds the Lease")
	flag.DurationVar(&duration, "duration", 5*time.Second, "for which it holds the Lease")
	flag.Parse()
	config, err := clientcmd.BuildConfigFromFlags("", kubeconfig)
	if err != nil {
		klog.Fatal(err)
	}
	client, err := kubernetes.NewForConfig(config)
	if err != nil {
		klog.Fatal(err)
	}
	var lock sync.Mutex
	leads := false
	turn := func(to bool, event string) {
		lock.Lock()
		defer lock.Unlock()
		if leads != to {
			leads = to
			say(event)
		}
	}
	ctx, cancel := context.WithCancel(context.Background())
	asked := make(chan os.Signal, 1)
	signal.Notify(asked, syscall.SIGTERM)
	go func() {
		<-asked
		turn(false, "stopped")
		cancel()
	}()
	say("contends")
	leaderelection.RunOrDie(ctx, leaderelection.LeaderElectionConfig{
		Lock: &resourcelock.LeaseLock{
			LeaseMeta:  metav1.ObjectMeta{Namespace: namespace, Name: lease},
			Client:     client.CoordinationV1(),
			LockConfig: resourcelock.ResourceLockConfig{Identity: identity},
		},
		LeaseDuration:   duration,
		RenewDeadline:   duration * 2 / 3,
		RetryPeriod:     duration / 50,
		ReleaseOnCancel: true,
		Callbacks: leaderelection.LeaderCallbacks{
			OnStartedLeading: func(context.Context) { turn(true, "started") },
			OnStoppedLeading: func() { turn(false, "stopped") },
		},
	})
}
