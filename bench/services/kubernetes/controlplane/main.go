// Command control-plane is a Kubernetes control plane in one file: the first argument picks the
// component, the rest are that component's own flags.
//
//	control-plane etcd|apiserver|controllers|scheduler [flags]
//	control-plane certificate HOST FOLDER
//
// The components are the upstream commands, unchanged, so what is measured on them is the behaviour
// of the real API server, controllers, scheduler and store.
package main

import (
	"fmt"
	"net"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"
	"go.etcd.io/etcd/server/v3/etcdmain"
	"k8s.io/client-go/util/cert"
	"k8s.io/component-base/cli"
	_ "k8s.io/component-base/logs/json/register"
	_ "k8s.io/component-base/metrics/prometheus/clientgo"
	_ "k8s.io/component-base/metrics/prometheus/version"
	apiserver "k8s.io/kubernetes/cmd/kube-apiserver/app"
	controllers "k8s.io/kubernetes/cmd/kube-controller-manager/app"
	scheduler "k8s.io/kubernetes/cmd/kube-scheduler/app"
)

func main() {
	if len(os.Args) < 2 {
		fail("a component is missing")
	}
	component := os.Args[1]
	os.Args = append(os.Args[:1], os.Args[2:]...) // the commands read their flags from os.Args
	switch component {
	case "etcd":
		etcdmain.Main(os.Args)
	case "apiserver":
		run(apiserver.NewAPIServerCommand())
	case "controllers":
		run(controllers.NewControllerManagerCommand())
	case "scheduler":
		run(scheduler.NewSchedulerCommand())
	case "certificate":
		certificate(os.Args[1:])
	default:
		fail("unknown component " + component)
	}
}

func run(command *cobra.Command) {
	os.Exit(cli.Run(command))
}

// certificate makes a certificate authority and a serving certificate for HOST signed by it, as
// serving.crt (the server's first, then the authority's) and serving.key in FOLDER.
func certificate(arguments []string) {
	if len(arguments) != 2 {
		fail("certificate needs HOST FOLDER")
	}
	host, folder := arguments[0], arguments[1]
	loopback := []net.IP{net.ParseIP("127.0.0.1"), net.ParseIP("::1")}
	chain, key, err := cert.GenerateSelfSignedCertKey(host, loopback, []string{"localhost"})
	check(err)
	check(os.WriteFile(filepath.Join(folder, "serving.crt"), chain, 0o600))
	check(os.WriteFile(filepath.Join(folder, "serving.key"), key, 0o600))
}

func check(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func fail(why string) {
	fmt.Fprintln(os.Stderr, why)
	fmt.Fprintln(os.Stderr, "usage: control-plane etcd|apiserver|controllers|scheduler [flags]")
	fmt.Fprintln(os.Stderr, "       control-plane certificate HOST FOLDER")
	os.Exit(64)
}
