"""What sd-scripts reads of a set, through its argument parser, config and dataset code, as one line of JSON.

The steps are those of `train_network.py` (setup_parser, then the first part of train).
"""

import argparse
import json
from pathlib import Path

from library import config_util, strategy_base, strategy_sd, train_util

strategy_base.LatentsCachingStrategy.set_strategy(
    strategy_sd.SdSdxlLatentsCachingStrategy(True, False, 1, False)
)
parser = argparse.ArgumentParser()
train_util.add_sd_models_arguments(parser)
train_util.add_dataset_arguments(parser, True, True, True)
train_util.add_training_arguments(parser, True)
config_util.add_config_arguments(parser)
options = train_util.read_config_from_file(parser.parse_args(), parser)
train_util.prepare_dataset_args(options, True)

subset = {"image_dir": options.train_data_dir, "metadata_file": options.in_json}
generator = config_util.BlueprintGenerator(
    config_util.ConfigSanitizer(True, True, False, True)
)
blueprint = generator.generate({"datasets": [{"subsets": [subset]}]}, options)
group, _ = config_util.generate_dataset_group_by_blueprint(blueprint.dataset_group)
dataset = group.datasets[0]
infos = list(dataset.image_data.values())
read = {
    "images": dataset.num_train_images,
    "repeats": dataset.subsets[0].num_repeats,
    "resolution": [dataset.width, dataset.height],
    "buckets": dataset.enable_bucket,
    "captions": {Path(info.absolute_path).name: info.caption for info in infos},
    "all_exist": all(Path(info.absolute_path).is_file() for info in infos),
}
print(json.dumps(read))
