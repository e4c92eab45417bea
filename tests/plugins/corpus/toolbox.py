# starcluster.utils, all of it.
from starcluster import exception
from starcluster import utils
from starcluster.utils import print_timing
from starcluster.clustersetup import ClusterSetup


@print_timing
def quick():
    return 'quick'


class Toolbox(ClusterSetup):
    @print_timing("Opening the toolbox")
    def run(self, nodes, master, user, user_shell, volumes):
        if master.ssh.path_exists('/var/tmp/toolbox'):
            return  # done at the start
        d = utils.AttributeDict(a=1)
        d.b = 2
        spinner = utils.get_spinner("Looking for the hammer...")
        spinner.stop()
        chunks = [list(c) for c in utils.chunk_list(range(5), 2)]
        iso = master.launch_time
        when = utils.iso_to_datetime_tuple(iso)
        times = [utils.datetime_tuple_to_iso(when) == iso,
                 utils.iso_to_javascript_timestamp(iso) == 1000 * utils.iso_to_unix_time(iso),
                 utils.iso_to_localtime_tuple(iso).strftime('%Y-%m-%d %H:%M:%S') == master.local_launch_time,
                 utils.get_elapsed_time(iso).split(',')[0]]
        valid = [utils.is_valid_device('/dev/sdz'), utils.is_valid_partition('/dev/sdz99'),
                 utils.is_valid_hostname('node001'), utils.is_url('https://example.org/x'),
                 utils.is_valid_device('/dev/null'), utils.is_valid_partition('/dev/sda'),
                 utils.is_valid_hostname('no de'), utils.is_url('example')]
        here = [len(utils.which('sh')), utils.has_required(['sh'])]
        try:
            utils.check_required(['no-such-program'])
        except exception.CommandNotFound, e:
            here.append(str(e).find('no-such-program') > 0)
        kinds = [isinstance(master.getpwnam('root'), utils.struct_passwd),
                 isinstance(master.getgrnam('root'), utils.struct_group)]
        f = utils.string_to_file('line 1\nline 2\n', 'somewhere')
        lines = [d['b'] / d['a'], len(utils.generate_passwd(12)), chunks, times, valid, here, kinds,
                 utils.get_fq_class_name(self), f.name, f.readlines()[1].strip(), quick()]
        out = master.ssh.remote_file('/var/tmp/toolbox', 'w')
        out.write('\n'.join(map(str, lines)))
        out.write('\n')
