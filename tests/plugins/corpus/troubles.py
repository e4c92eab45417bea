# Every error there is, in the ways in which Python 2 raised and caught.
from starcluster import exception
from starcluster.clustersetup import ClusterSetup
from starcluster.logger import log

REMOTE = (exception.SSHConnectionError, exception.SSHAuthException, exception.SSHNoCredentialsError,
          exception.SSHAccessDeniedViaAuthKeys, exception.SCPException, exception.RemoteCommandNotFound)
CLOUD = (exception.InstanceDoesNotExist, exception.InstanceNotRunning, exception.VolumeDoesNotExist,
         exception.SecurityGroupDoesNotExist, exception.ZoneDoesNotExist, exception.KeyPairDoesNotExist,
         exception.SpotHistoryError, exception.InvalidOperation, exception.PropagationException)
LAUNCH = (exception.MasterDoesNotExist, exception.InvalidZone, exception.VolumesZoneError, exception.InvalidPortRange)
OTHERS = (exception.CommandNotFound, exception.PluginLoadError, exception.PluginSyntaxError,
          exception.ClusterDoesNotExist, exception.ClusterExists, exception.ClusterNotRunning,
          exception.ClusterTemplateDoesNotExist, exception.IncompatibleCluster, exception.ExperimentalFeature)


class Stranger(exception.BaseException):
    pass


class Troubles(ClusterSetup):
    def caught(self, kind):
        try:
            raise kind, 'trouble with ' + kind.__name__
        except exception.ClusterValidationError, e:
            return 'launch', e.msg
        except (exception.SSHError, exception.RemoteCommandNotFound), e:
            return 'remote', e.msg
        except exception.AWSError, e:
            return 'cloud', e.msg
        except (exception.ConfigError, exception.PluginError, exception.ValidationError), e:
            return 'config', e.msg
        except exception.BaseException, e:
            return 'other', e.msg

    def run(self, nodes, master, user, user_shell, volumes):
        if master.ssh.path_exists('/var/tmp/troubles'):
            return  # done at the start
        found = {}
        for kind in REMOTE + CLOUD + LAUNCH + OTHERS + (Stranger,):
            where, text = self.caught(kind)
            if not found.has_key(where):
                found[where] = 0
            found[where] += 1
        pool = None
        try:
            raise exception.ThreadPoolException('two', [(ValueError('a'), 'trace of a', 'one job')])
        except exception.ThreadPoolException, e:
            found['jobs'] = e.format_excs().count('trace of a')
        try:
            master.ssh.execute('exit 9')
        except exception.RemoteCommandFailed, e:
            found['status'] = e.exit_status
        keys = found.keys()
        keys.sort()
        master.ssh.execute('echo "%s" > /var/tmp/troubles' % ' '.join(['%s=%d' % (k, found[k]) for k in keys]))
